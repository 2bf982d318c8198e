// SPDX-License-Identifier: Apache-2.0
// Runs a program of the host to its end, without a shell, and takes what it prints. Not for other
// rooms. Threads: any, several children at once.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::files {

/// Of each of the two streams; what comes after is dropped.
inline constexpr std::size_t kChildOutputBytesMax = 8 << 20;

struct ChildProcess {
    std::vector<std::string> arguments;    ///< the program first, looked up in our PATH
    std::vector<std::string> environment;  ///< all of it: "NAME=value"
    std::string directory;                 ///< where it works; "" for ours
    std::chrono::seconds time_max{3600};
    io::CancelToken cancel;
};
struct ChildResult {
    int exit_code = 0;  ///< -1 when a signal ended it
    std::string output;
    std::string errors;
};

/// The child and all that it has started are killed when it takes too long or is cancelled.
/// Blocks. Errors: no_such_file_or_directory when there is no such program, timed_out,
/// operation_canceled, errno.
Result<ChildResult> run_child(const ChildProcess& child);

}  // namespace lazybuild::files
