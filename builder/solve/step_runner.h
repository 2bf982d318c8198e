// SPDX-License-Identifier: Apache-2.0
// How the solver has a RUN carried out; builder/exec does it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/graph/step.h"
#include "builder/layers/layer_store.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::solve {

/// What a mount of a RUN shows, by its place in RunStep::mounts.
struct MountFiles {
    std::optional<layers::Snapshot> snapshot;  ///< of a stage or image
    layers::FileSource* files = nullptr;       ///< else: a context
};

struct RunRequest {
    const graph::RunStep& step;
    codec::Platform platform;
    layers::Snapshot base;
    std::vector<MountFiles> mounts;
    std::function<void(int stream, std::string_view bytes)> output;
    io::CancelToken cancel;  ///< to be asked, not to be waited on: another thread cancels it
};

struct RunResult {
    layers::LayerPointer layer;  ///< nullptr: it changed nothing
};

class StepRunner {
  public:
    virtual ~StepRunner() = default;
    /// Blocks; several at once. Errors: a failed command (`code` is protocol_error; the message is
    /// BuildKit's: `process "/bin/sh -c …" did not complete successfully: exit code: 1`),
    /// operation_canceled, io_error when its mounts could not be read.
    virtual Result<RunResult> run(const RunRequest& request) = 0;
};

}  // namespace lazybuild::solve
