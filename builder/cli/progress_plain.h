// SPDX-License-Identifier: Apache-2.0
// Progress for logs: a line for each thing that happens, in the shape that scripts look for.
//
//   #5 [build 2/4] RUN make
//   #5 0.123 cc -o main main.c
//   #5 DONE 1.2s          or CACHED, CANCELED, ERROR: …
#pragma once

#include <memory>

#include "builder/cli/build_log.h"
#include "builder/image/console.h"

namespace lazybuild::cli {

/// `console` outlives it. `terminal`: output loses its escape sequences (terminal_text.h).
std::unique_ptr<Display> plain_display(image::Console& console, bool terminal);
/// Shows warnings alone.
std::unique_ptr<Display> quiet_display(image::Console& console);

/// "1.2s" since the task began, until `moment`.
std::string seconds_of(const TaskRecord& task, solve::Time moment);
/// "fetched 1.50MB / 20.00MB" of the task's last advance().
std::string advance_text(const TaskRecord& task);
/// "12.34MB"
std::string size_text(std::uint64_t size_bytes);

}  // namespace lazybuild::cli
