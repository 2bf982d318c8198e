// SPDX-License-Identifier: Apache-2.0
// The real docker-registry (Debian package docker-registry) on a free port of 127.0.0.1, with its
// storage and configuration in a temporary directory; ended with the object.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/temp_dir.h"

namespace lazybuild::test {

struct DockerRegistryOptions {
    std::string tls_certificate;  ///< files; empty for plain HTTP
    std::string tls_key;
    std::string auth;  ///< the YAML under "auth:", indented by two spaces; empty for none
};

class DockerRegistry {
  public:
    /// Null when docker-registry is not installed; says so on stderr. Otherwise it listens.
    static std::unique_ptr<DockerRegistry> start(const DockerRegistryOptions& options = {});
    DockerRegistry(const DockerRegistry&) = delete;
    DockerRegistry& operator=(const DockerRegistry&) = delete;
    ~DockerRegistry();

    std::uint16_t port() const { return port_; }
    std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
    /// Its log, access log included.
    std::string log() const { return directory_.read("log"); }

  private:
    DockerRegistry() = default;
    bool launch(const DockerRegistryOptions& options);
    bool wait_until_listening();

    TempDir directory_;
    pid_t pid_ = -1;
    int exit_status_ = 0;  // when it has ended by itself
    std::uint16_t port_ = 0;
};

}  // namespace lazybuild::test

/// At the start of a test that needs it: `LAZYBUILD_START_REGISTRY(registry);` or with options.
#define LAZYBUILD_START_REGISTRY(name, ...)                                  \
    const auto name = ::lazybuild::test::DockerRegistry::start(__VA_ARGS__); \
    if (!name) {                                                             \
        GTEST_SKIP() << "docker-registry is not here: install its package";  \
    }                                                                        \
    static_assert(true)
