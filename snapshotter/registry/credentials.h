// SPDX-License-Identifier: Apache-2.0
// Where credentials come from: docker's config.json and containers' auth.json with their helpers.
// Read at each look-up, so that a `docker login` or a rotated secret works without a restart, and
// never kept longer than the request needs.
//
// Sources: docker/cli "docker login" (config.json); containers-auth.json(5).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "snapshotter/registry/credential.h"
#include "snapshotter/registry/reference.h"
#include "snapshotter/registry/wire_json.h"

namespace lazybuild::registry {

/// The variables that say where the files are; empty means not set.
struct AuthEnvironment {
    std::string registry_auth_file;  ///< REGISTRY_AUTH_FILE
    std::string xdg_runtime_dir;     ///< XDG_RUNTIME_DIR
    std::string docker_config;       ///< DOCKER_CONFIG, a directory
    std::string home;                ///< HOME

    /// This process's own.
    static AuthEnvironment of_process();
};

struct CredentialSources {
    /// Looked at in order; the first that knows the repository decides. Files that are missing are
    /// skipped unless `files_required`.
    std::vector<std::string> files;
    bool files_required = false;
    std::chrono::milliseconds helper_timeout{10'000};
};

/// `auth_file` (the option) alone if it is not empty, else REGISTRY_AUTH_FILE alone, else
/// $XDG_RUNTIME_DIR/containers/auth.json and then docker's config.json
/// ($DOCKER_CONFIG or ~/.docker).
CredentialSources credential_sources(const std::string& auth_file,
                                     const AuthEnvironment& environment);

/// Blocks on files and helpers: call it on a pool thread. nullopt: nobody knows the repository.
/// Errors: an unreadable file or a helper that failed; the message says which.
Result<std::optional<Credential>> find_credential(const CredentialSources& sources,
                                                  const Repository& repository);

/// What a config says about a repository without asking a helper: the most specific of the keys
/// "host/a/b", "host/a", "host", with or without a scheme and "/v1/".
struct ConfigMatch {
    std::string helper;                    ///< to be asked first, or empty
    std::optional<Credential> credential;  ///< from `auths`
};
ConfigMatch match_config(const DockerConfig& config, const Repository& repository);

/// The name by which helpers know a registry: its host; "https://index.docker.io/v1/" for
/// docker.io.
std::string helper_server_name(const std::string& host);

}  // namespace lazybuild::registry
