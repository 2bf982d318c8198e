// SPDX-License-Identifier: Apache-2.0
// The program that makes containers: crun, runc, or another with their command line.
//
// Source: the runtimes' own manuals (`run --bundle`), OCI runtime-spec v1.0.2.
// Threads: any.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "builder/exec/process.h"

namespace lazybuild::exec {

class Runtime {
  public:
    /// `wanted` is "crun", "runc", a path, or "" for the first of the two that PATH has.
    /// Errors: no_such_file_or_directory, saying what to install.
    static Result<Runtime> find(const std::string& wanted);

    const std::string& path() const { return path_; }
    /// mount(8): what the container's root is given its flags with (runtime_spec.h).
    const std::string& mount_program() const { return mount_program_; }
    /// "crun": what messages call it.
    std::string name() const;

    /// How a container is run from `bundle` (holds config.json) with all of the runtime's own state
    /// and its log below `private_directory`.
    ProcessRequest run_request(const std::string& bundle, const std::string& private_directory,
                               const std::string& container) const;
    /// The runtime's last complaint in that log; nullopt when there is none: then an exit code is
    /// the command's.
    static std::optional<std::string> complaint(const std::string& private_directory);

  private:
    Runtime(std::string path, std::string mount_program)
        : path_(std::move(path)), mount_program_(std::move(mount_program)) {}
    static Result<std::string> find_path(const std::string& wanted);

    std::string path_, mount_program_;
};

}  // namespace lazybuild::exec
