// SPDX-License-Identifier: Apache-2.0
// What has happened in a build so far: its tasks, in the order in which they began. Displays show
// it as it happens, the report shows it at the end.
//
// Threads: any; a display is called by one at a time.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/solve/progress.h"

namespace lazybuild::cli {

/// Of a task's output: what an error shows again.
inline constexpr std::size_t kLastLinesMax = 25;
/// Longer lines of output are broken.
inline constexpr std::size_t kLogLineBytesMax = 16 << 10;
/// Of a task's output in all; what comes after is counted.
inline constexpr std::uint64_t kTaskOutputBytesMax = 2 << 20;

struct TaskRecord {
    solve::TaskId id = 0;  ///< from 1: "#1"
    std::string text;
    solve::Time began;
    std::optional<solve::Time> ended;
    solve::Outcome outcome = solve::Outcome::done;
    std::string error;
    std::optional<solve::StepReport> report;
    std::deque<std::string> last_lines;
    std::string advancing;  ///< what, of the last advance()
    std::uint64_t advanced = 0, advance_total = 0;
};

/// Shows what happens. Called with the log's lock held.
class Display {
  public:
    virtual ~Display() = default;
    virtual void began(const TaskRecord& task) = 0;
    /// One line of output, without its end.
    virtual void line(const TaskRecord& task, std::string_view text) = 0;
    virtual void advanced(const TaskRecord& task) = 0;
    virtual void ended(const TaskRecord& task) = 0;
    virtual void warned(std::string_view message) = 0;
    /// Some of a task's output was dropped.
    virtual void clipped(const TaskRecord& task) = 0;
    /// Nothing more will happen. Afterwards others write to the terminal.
    virtual void finish() = 0;
    /// For programs (rawjson): a step's StepReport.
    virtual void reported(const TaskRecord& /*task*/) {}
};

class BuildLog final : public solve::Progress {
  public:
    /// `display` outlives it.
    explicit BuildLog(Display& display);
    ~BuildLog() override;

    solve::TaskId begin(std::string_view text) override;
    void output(solve::TaskId task, int stream, std::string_view bytes) override;
    void advance(solve::TaskId task, std::string_view what, std::uint64_t current,
                 std::uint64_t total) override;
    void end(solve::TaskId task, solve::Outcome outcome, std::string_view error) override;
    void report(solve::TaskId task, const solve::StepReport& report) override;
    void warn(std::string_view message) override;

    /// Tells the display, once.
    void finish();
    std::vector<TaskRecord> tasks() const;
    std::vector<std::string> warnings() const;
    solve::Time began() const { return began_; }

  private:
    struct Output {
        std::map<int, std::string> open;  ///< by stream: a line that has not ended
        std::uint64_t size_bytes = 0;
    };

    void take_line(TaskRecord& task, std::string_view line);

    Display& display_;
    const solve::Time began_;
    mutable std::mutex mutex_;  // guards what follows
    std::vector<TaskRecord> tasks_;
    std::map<solve::TaskId, Output> outputs_;  ///< of those that run
    std::vector<std::string> warnings_;
    bool finished_ = false;
};

}  // namespace lazybuild::cli
