// SPDX-License-Identifier: Apache-2.0
// Carries RUNs out: an overlay of the step's layers, a container on it made by crun or runc, and
// what the container changed as a layer.
//
// One path for a RUN: entitlements → platform → user → mounts → config.json → the runtime, in a PID
// and mount namespace that dies with us → reads that failed → exit code → layer. The host is asked
// for root.
//
// docs/builder.md, "How a RUN is run", says what a command finds and what differs from BuildKit.
#pragma once

#include <memory>

#include "builder/exec/options.h"
#include "builder/layers/layer_store.h"
#include "builder/solve/step_runner.h"

namespace lazybuild::exec {

/// `store` outlives it. Mounts are made in the mount namespace of the process, which should be its
/// own. The runtime is looked for when the first step runs. Threads: any.
std::unique_ptr<solve::StepRunner> make_oci_runner(layers::LayerStore& store,
                                                   RunnerOptions options);

}  // namespace lazybuild::exec
