// SPDX-License-Identifier: Apache-2.0
// What the command line says about all RUNs of a build. Values of secrets are read when a step
// wants them, and are in no key, no log and no file that outlives the step.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/graph/step.h"

namespace lazybuild::exec {

/// --allow: what a Dockerfile may ask for only if the person who builds has said so. Nothing, to
/// begin with. This is the one place where it is checked.
struct Entitlements {
    bool host_network = false;  ///< network.host
    bool insecure = false;      ///< security.insecure

    /// "network.host", "security.insecure". Errors: invalid_argument, naming what there is.
    Result<void> allow(const std::string& name);
    /// Errors: permission_denied, naming the flag that would allow it; invalid_argument for a
    /// network that does not exist.
    Result<void> check(const graph::RunStep& step) const;
};

/// --secret: a file of the host or a variable of our environment.
struct Secret {
    enum class Kind : std::uint8_t { file, variable };
    Kind kind = Kind::file;
    std::string place;  ///< path, or the variable's name
};
inline constexpr std::uint64_t kSecretBytesMax = 500 << 10;  ///< BuildKit's

/// Its value now. Errors: invalid_argument for a variable that is not set; those of reading the
/// file.
Result<std::string> read_secret(const std::string& id, const Secret& secret);

/// --ulimit: "nofile" with a soft and a hard limit; -1 is unlimited.
struct Ulimit {
    std::string name;
    std::int64_t soft = 0, hard = 0;
};

class LayeredCaches;

struct RunnerOptions {
    std::string runtime;  ///< "crun", "runc" or a path; "" for the first one that is on PATH
    Entitlements entitlements;
    std::map<std::string, Secret> secrets;          ///< by id
    std::map<std::string, std::string> ssh_agents;  ///< id → path of an agent's socket
    /// id → absolute paths of keys; who makes the runner starts an agent for them (key_agent.h).
    std::map<std::string, std::vector<std::string>> ssh_keys;
    std::vector<std::pair<std::string, std::string>> extra_hosts;  ///< --add-host: name, address
    std::vector<Ulimit> ulimits;
    std::uint64_t shm_bytes = 64 << 20;
    /// Of caches that came with an imported one; nullptr: there are none. Outlives the runner.
    LayeredCaches* layered_caches = nullptr;
};

/// "NAME=SOFT[:HARD]". Errors: invalid_argument.
Result<Ulimit> parse_ulimit(const std::string& text);

}  // namespace lazybuild::exec
