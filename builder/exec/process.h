// SPDX-License-Identifier: Apache-2.0
// Runs a container runtime so that nothing of it can be left behind: it is the first process of a
// PID namespace of its own, with a mount namespace of its own, and dies with us. Whatever it starts
// dies with it; whatever it mounts goes with it.
//
// Linux: clone3(2), PR_SET_PDEATHSIG, pid_namespaces(7) ("if the init process terminates, the
// kernel terminates all of the processes in the namespace").
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::exec {

/// What the program sees below /sys/fs/cgroup. Neither view lets it make a cgroup, so that none is
/// ever left behind.
enum class CgroupView : std::uint8_t {
    none,       ///< an empty directory
    read_only,  ///< the host's
};

struct ProcessRequest {
    std::vector<std::string> arguments;  ///< the first one is the program's path
    std::vector<std::string> environment;
    CgroupView cgroups = CgroupView::read_only;
    /// Stream 1 or 2, as it comes. Called on the thread that runs the process.
    std::function<void(int stream, std::string_view bytes)> output;
    io::CancelToken cancel;
};

/// Runs it with an empty stdin and waits until it and all that it started are gone. The exit code,
/// or 128 plus the number of the signal that ended it. Blocks; threads: any, several at once.
/// Errors: operation_canceled (it has been killed); those of what precedes the program's start.
Result<int> run_process(const ProcessRequest& request);

}  // namespace lazybuild::exec
