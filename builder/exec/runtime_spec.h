// SPDX-License-Identifier: Apache-2.0
// What a runtime is told about one RUN: config.json. The defaults are containerd's, without
// no_new_privs (sudo has to work), with the host's devices bound one by one (runtime.cc says why).
//
// Source: OCI runtime-spec v1.0.2 config.md, config-linux.md; containerd's oci/spec.go.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/exec/options.h"
#include "builder/exec/user.h"

namespace lazybuild::exec {

/// One mount besides the defaults.
struct SpecMount {
    std::string target;  ///< absolute, as it is inside the container, without symlinks
    std::string source;  ///< a path of the host that only we can change; "" for a tmpfs
    bool read_only = false;
    std::uint64_t size_bytes = 0;  ///< of a tmpfs; 0 for no limit
};

struct SpecOptions {
    std::string root;  ///< path of the mounted root file system
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    std::string working_directory;
    User user;
    std::string host_name;
    bool insecure = false;
    bool private_network = false;   ///< one without any interface but lo; else the host's
    std::vector<SpecMount> mounts;  ///< in this order
    std::vector<Ulimit> ulimits;
    std::uint64_t shm_bytes = 0;
    std::string architecture;  ///< of the host, as codec::Platform has it
    /// Path of mount(8). A hook runs it once the container's mounts are made, before anything of
    /// the step runs: the root is to be `nodev` whatever the runtime made of its flags.
    std::string mount_program;
};

/// config.json. Errors: bad_message for arguments or variables that are not UTF-8 (JSON has no
/// others).
Result<std::string> runtime_spec(const SpecOptions& options);

/// Targets of the mounts that every container has, the shallower first: what is mounted below them
/// needs no place in the image.
std::vector<std::string> default_mount_targets();

}  // namespace lazybuild::exec
