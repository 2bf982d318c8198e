// SPDX-License-Identifier: Apache-2.0
// What a registry client may be told; the defaults are right for most.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "snapshotter/registry/credential.h"

namespace lazybuild::registry {

struct ClientOptions {
    /// For every host. Loopback hosts are plain HTTP anyway, unless certificate_directory is set.
    bool plain_http = false;
    bool tls_verify = true;
    /// --cert-dir: its *.crt are trusted besides the system's; *.cert with *.key is ours to show.
    std::string certificate_directory;
    /// The same by host, in <host[:port]>/ under here. Read again for new connections after a
    /// minute.
    std::string host_certificates_root = "/etc/docker/certs.d";

    /// --creds: for every registry that this client asks. An empty one means anonymous; with none
    /// the files are looked at.
    std::optional<Credential> credential;
    /// --authfile. Empty: the files of credentials.h.
    std::string auth_file;

    /// At once: for downloads and small requests together, and as many again for uploads.
    std::size_t connections_per_host = 8;
    int attempts_max = 5;
    std::chrono::milliseconds connect_timeout{10'000};  ///< TCP and TLS, per address
    std::chrono::milliseconds idle_timeout{30'000};     ///< without a byte, while one is awaited
    std::chrono::milliseconds pooled_idle_timeout{30'000};  ///< a kept connection without work
    std::chrono::milliseconds backoff_first{200};           ///< doubles with each attempt
    std::chrono::milliseconds backoff_max{10'000};
    std::chrono::milliseconds retry_after_max{60'000};  ///< a longer Retry-After counts as this
    std::chrono::milliseconds redirect_ttl{120'000};    ///< a blob's redirect is reused so long
    std::chrono::milliseconds helper_timeout{10'000};   ///< for docker-credential-*
    std::string user_agent = "lazybuild";
};

}  // namespace lazybuild::registry
