// SPDX-License-Identifier: Apache-2.0
// The daemon: builds every object by hand, serves until it is told to stop, and takes down in
// reverse what it built.
#pragma once

#include "base/result.h"
#include "snapshotter/service/config.h"

namespace lazybuild::service {

/// Serves until SIGTERM or SIGINT. After SIGTERM, where a keeper has the disks, all mounts stay for
/// the next start, and who reads waits for it; otherwise they are taken away. Both signals are
/// blocked in every thread from here on. Call it before there are other threads. Errors: what kept
/// it from serving.
Result<void> run_daemon(const Config& config);

}  // namespace lazybuild::service
