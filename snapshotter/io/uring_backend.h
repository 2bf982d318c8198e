// SPDX-License-Identifier: Apache-2.0
// IoBackend on io_uring.
#pragma once

#include <memory>

#include "base/result.h"
#include "snapshotter/io/io_backend.h"

namespace lazybuild::io {

/// Needs Linux 5.11 and permission to use io_uring; uses what newer kernels offer (one submitting
/// thread, completions only when it waits).
/// Errors: function_not_supported (an old kernel, or a filter that says so),
/// operation_not_permitted (sysctl kernel.io_uring_disabled, or a seccomp filter); the message says
/// which and what to do.
Result<std::unique_ptr<IoBackend>> create_uring_backend();

}  // namespace lazybuild::io
