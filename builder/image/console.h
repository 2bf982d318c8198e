// SPDX-License-Identifier: Apache-2.0
// What work on images sees of the world that started it: where its data and its messages go, and
// the wish to stop. Commands are given one, so that tests run them in-process.
//
// Threads: note() and warn() any, several at once; out() one at a time. Neither fails: who has to
// know whether stdout took everything asks the console that it made.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace lazybuild::image {

class Console {
  public:
    virtual ~Console() = default;
    /// Data, to stdout, as it is.
    virtual void out(std::string_view text) = 0;
    /// A message for people: one line, to stderr.
    virtual void note(std::string_view line) = 0;
    /// Work goes on, but not as the user may think: what, why, and what to do.
    virtual void warn(std::string_view message) { note("warning: " + std::string{message}); }
    /// `stop` is called, on any thread, when the user wants the command to end early; an empty
    /// function takes it away again, and waits for a call that is under way.
    virtual void on_interrupt(std::function<void()> stop) = 0;
};

}  // namespace lazybuild::image
