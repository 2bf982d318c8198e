// SPDX-License-Identifier: Apache-2.0
// Progress on a terminal: what is done stands still above, what runs is drawn anew ten times a
// second below, with the last lines of its output and what it is fetching.
//
//   [+] Building 12.3s (7/9, 3 cached)
//    => [build 2/4] RUN make                                             3.2s
//    => => cc -c main.c
//    => => fetched lazily 12.34MB / 220.00MB
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "builder/cli/build_log.h"

namespace lazybuild::cli {

struct TerminalSize {
    std::size_t rows = 24, columns = 80;
};

struct TerminalOptions {
    std::function<void(std::string_view)> write;
    std::function<TerminalSize()> size;
    bool color = true;
    bool redraw = true;  ///< by a thread of its own; false: only by finish(), and tests
};

/// `write` and `size` are called by one thread at a time.
std::unique_ptr<Display> tty_display(TerminalOptions options);
/// On stderr; NO_COLOR is respected.
std::unique_ptr<Display> stderr_display();

}  // namespace lazybuild::cli
