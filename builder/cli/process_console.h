// SPDX-License-Identifier: Apache-2.0
// The console of a real process, and how commands report that they have failed. Threads: as
// image::Console.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "builder/image/console.h"

namespace lazybuild::cli {

/// The exit codes of every command.
enum class ExitCode : int {
    done = 0,
    failed = 1,    ///< the work failed
    usage = 2,     ///< the command line was wrong
    broken = 125,  ///< the work could not even begin
};

/// Prints `error` as "lazybuild COMMAND: …", with advice under it where there is some, and gives
/// the exit code.
ExitCode report_failure(image::Console& console, std::string_view command, const Error& error);
/// The same for a command line that makes no sense.
ExitCode report_usage(image::Console& console, std::string_view command, const Error& error);

/// stdout, stderr, SIGINT and SIGTERM. At most one at a time, made before any other thread: it
/// blocks the two signals and waits for them on a thread of its own. The second one ends the
/// program at once.
class ProcessConsole final : public image::Console {
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
