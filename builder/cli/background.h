// SPDX-License-Identifier: Apache-2.0
// This program once more, in the background: the command ends when its work is ready to be used,
// and a process of its own, out of the terminal's reach, goes on.
//
// A new process and not a fork: threads do not survive a fork, and their locks do.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "builder/cli/process_console.h"

namespace lazybuild::cli {

/// Runs `arguments` (argv, the program's name first) with "--foreground --ready-fd N" after the
/// command's name, in a session of its own, and waits until it is ready: done. When it ends
/// instead, its exit code; it has said why. An interrupt is passed on to it.
/// Errors: those of starting a process.
Result<ExitCode> run_in_background(const std::vector<std::string>& arguments,
                                   image::Console& console);

/// In the background process: tells the one that waits, and leaves the terminal: stdin and stdout
/// are nowhere from then on, stderr is the file `log_path`.
Result<void> report_ready(Fd ready, const std::string& log_path);

}  // namespace lazybuild::cli
