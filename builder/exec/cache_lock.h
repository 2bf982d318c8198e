// SPDX-License-Identifier: Apache-2.0
// Locks (flock) of cache mounts: between threads as between processes, gone with whoever held them.
// Threads: any.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::exec {

/// `how` is LOCK_SH or LOCK_EX. false: somebody else has it.
Result<bool> try_lock(int fd, int how);
/// Errors: operation_canceled; timed_out when it was not to be had in `patience`.
Result<void> wait_for_lock(int fd, int how, const io::CancelToken& cancel,
                           std::optional<std::chrono::seconds> patience = {});
/// Whether a file that has been locked is still the one that others will lock.
bool is_there(int fd);

/// A directory of the caches that is being made or unmade: nobody else does either until the
/// descriptor goes.
Result<Fd> lock_making(const std::string& directory, const io::CancelToken& cancel);

}  // namespace lazybuild::exec
