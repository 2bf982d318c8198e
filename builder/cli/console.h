// SPDX-License-Identifier: Apache-2.0
// What a command sees of the world that started it: where its data and its messages go, and the
// wish to stop. Commands take one, so that tests run them in-process.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/error.h"

namespace lazybuild::cli {

/// The exit codes of every command.
enum class ExitCode : int {
    done = 0,
    failed = 1,  ///< the work failed
    usage = 2,   ///< the command line was wrong
};

class Console {
  public:
    virtual ~Console() = default;
    /// Data, to stdout, as it is.
    virtual void out(std::string_view text) = 0;
    /// A message for people: one line, to stderr.
    virtual void note(std::string_view line) = 0;
    /// `stop` is called, on any thread, when the user wants the command to end early; an empty
    /// function takes it away again, and waits for a call that is under way.
    virtual void on_interrupt(std::function<void()> stop) = 0;
};

/// Prints `error` as "lazybuild COMMAND: …", with advice under it where there is some, and gives
/// the exit code.
ExitCode report_failure(Console& console, std::string_view command, const Error& error);
/// The same for a command line that makes no sense.
ExitCode report_usage(Console& console, std::string_view command, const Error& error);

/// stdout, stderr, SIGINT and SIGTERM. At most one at a time, made before any other thread: it
/// blocks the two signals and waits for them on a thread of its own. The second one ends the
/// program at once.
class ProcessConsole final : public Console {
  public:
    ProcessConsole();
    ~ProcessConsole() override;
    ProcessConsole(const ProcessConsole&) = delete;
    ProcessConsole& operator=(const ProcessConsole&) = delete;

    void out(std::string_view text) override;
    void note(std::string_view line) override;
    void on_interrupt(std::function<void()> stop) override;

    /// Whether stdout took everything; a full disk must not look like success.
    bool output_complete() const { return output_complete_; }

  private:
    void wait_for_signals();

    bool output_complete_ = true;
    std::mutex mutex_;  // guards what follows
    std::function<void()> stop_;
    bool interrupted_ = false;
    bool closing_ = false;
    std::thread signals_;
};

}  // namespace lazybuild::cli
