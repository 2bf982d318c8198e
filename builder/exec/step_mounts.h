// SPDX-License-Identifier: Apache-2.0
// The mounts that a RUN asks for (--mount), made ready before its container is: each is a mount or
// a file in the step's private directory, whose path nobody else can change, which the runtime then
// binds to its target. Where symlinks of an image lead is found out in the indexes of its layers;
// what a source is, by openat2 inside its root. So neither can leave them, and no other step can
// change what was checked.
//
// Threads: one at a time for each step; blocks on the disk, the network and other steps' caches.
// Source: the Dockerfile reference, "RUN --mount".
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/exec/agent_proxy.h"
#include "builder/exec/cache_mounts.h"
#include "builder/exec/layered_caches.h"
#include "builder/exec/mount_points.h"
#include "builder/exec/options.h"
#include "builder/exec/run_directory.h"
#include "builder/exec/runtime_spec.h"
#include "builder/solve/step_runner.h"

namespace lazybuild::exec {

struct StepMountsRequest {
    const solve::RunRequest& run;
    const RunnerOptions& options;
    layers::LayerStore& store;
    RunDirectory& directory;
    layers::FileSource& base;  ///< the step's root file system, as it is before
    MountPoints& root;         ///< the same, mounted
    LayeredCaches* layered_caches = nullptr;
};

/// Goes when the step is over.
struct StepMounts {
    std::vector<SpecMount> mounts;  ///< outer ones first
    std::vector<std::string> environment;
    std::vector<std::string> secrets;          ///< their values
    std::vector<layers::LayerPointer> layers;  ///< that the step may read through its mounts
    std::vector<CacheMount> caches;
    std::vector<std::unique_ptr<AgentProxy>> agents;
};

/// Errors: no_such_file_or_directory for a source; invalid_argument for a target that cannot be
/// one, a secret or an agent that is required and missing; operation_canceled while it waits for a
/// cache.
Result<StepMounts> prepare_step_mounts(const StepMountsRequest& request);

/// Where `path` (absolute) leads in `base`: clean, relative, without symlinks. Errors:
/// invalid_argument for the root, and for what lies in /proc and /sys, where a link may lead to a
/// descriptor of the runtime (CVE-2024-21626).
Result<std::string> resolve_target(layers::FileSource& base, const std::string& path);

}  // namespace lazybuild::exec
