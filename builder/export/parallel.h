// SPDX-License-Identifier: Apache-2.0
// The same function for several numbers at once, on threads that may block: on the disk, and on the
// reactor through Session::wait_for. Blocks until all have ended; not on the reactor's thread.
#pragma once

#include <cstddef>
#include <functional>

#include "base/result.h"
#include "builder/image/session.h"

namespace lazybuild::exporter {

/// Enough for peers that are slow to answer, and not too many for the disk.
std::size_t parallel_threads(const image::Session& session);

/// one(0) to one(count - 1), at most `threads` at a time; begun in order. After a failure no more
/// are begun; the Error is the first by number.
Result<void> run_parallel(std::size_t count, std::size_t threads,
                          const std::function<Result<void>(std::size_t)>& one);

}  // namespace lazybuild::exporter
