// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build_log.h"

#include <utility>

#include "base/assert.h"

namespace lazybuild::cli {
namespace {

solve::Time now() {
    return std::chrono::system_clock::now();
}

}  // namespace

BuildLog::BuildLog(Display& display) : display_(display), began_(now()) {}

BuildLog::~BuildLog() {
    finish();
}

solve::TaskId BuildLog::begin(std::string_view text) {
    const std::lock_guard lock(mutex_);
    TaskRecord& task = tasks_.emplace_back();
    task.id = static_cast<solve::TaskId>(tasks_.size());
    task.text = text.substr(0, text.find('\n'));
    task.began = now();
    display_.began(task);
    return task.id;
}

void BuildLog::take_line(TaskRecord& task, std::string_view line) {
    if (task.last_lines.size() == kLastLinesMax) {
        task.last_lines.pop_front();
    }
    task.last_lines.emplace_back(line);
    display_.line(task, line);
}

// A carriage return begins a line anew, as progress bars do: each state of it is a line.
void BuildLog::output(solve::TaskId id, int stream, std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    ASSERT(id != 0 && id <= tasks_.size());
    TaskRecord& task = tasks_[id - 1];
    Output& output = outputs_[id];
    std::string& open = output.open[stream];
    const bool was_clipped = output.size_bytes > kTaskOutputBytesMax;
    output.size_bytes += bytes.size();
    if (output.size_bytes > kTaskOutputBytesMax) {
        if (!was_clipped) {
            display_.clipped(task);
        }
        // Its end is what an error shows.
        for (std::size_t begin = 0; begin < bytes.size();) {
            const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
            open.append(bytes.substr(begin, std::min(end - begin, kLogLineBytesMax)));
            if (end < bytes.size() || open.size() > kLogLineBytesMax) {
                if (task.last_lines.size() == kLastLinesMax) {
                    task.last_lines.pop_front();
                }
                task.last_lines.push_back(std::exchange(open, {}));
            }
            begin = end + 1;
        }
        return;
    }
    for (const char byte : bytes) {
        if (byte == '\n' || byte == '\r' || open.size() == kLogLineBytesMax) {
            if (byte == '\n' || !open.empty()) {
                take_line(task, std::exchange(open, {}));
            }
            if (byte == '\n' || byte == '\r') {
                continue;
            }
        }
        open += byte;
    }
}

void BuildLog::advance(solve::TaskId id, std::string_view what, std::uint64_t current,
                       std::uint64_t total) {
    const std::lock_guard lock(mutex_);
    TaskRecord& task = tasks_[id - 1];
    task.advancing = what;
    task.advanced = current;
    task.advance_total = total;
    display_.advanced(task);
}

void BuildLog::end(solve::TaskId id, solve::Outcome outcome, std::string_view error) {
    const std::lock_guard lock(mutex_);
    TaskRecord& task = tasks_[id - 1];
    for (auto& [stream, open] : outputs_[id].open) {
        if (!open.empty()) {
            take_line(task, open);
        }
    }
    outputs_.erase(id);
    task.ended = now();
    task.outcome = outcome;
    task.error = error;
    display_.ended(task);
}

void BuildLog::report(solve::TaskId id, const solve::StepReport& report) {
    const std::lock_guard lock(mutex_);
    TaskRecord& task = tasks_[id - 1];
    task.report = report;
    display_.reported(task);
}

void BuildLog::warn(std::string_view message) {
    const std::lock_guard lock(mutex_);
    warnings_.emplace_back(message);
    display_.warned(message);
}

void BuildLog::finish() {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(finished_, true)) {
        display_.finish();
    }
}

std::vector<TaskRecord> BuildLog::tasks() const {
    const std::lock_guard lock(mutex_);
    return tasks_;
}

std::vector<std::string> BuildLog::warnings() const {
    const std::lock_guard lock(mutex_);
    return warnings_;
}

}  // namespace lazybuild::cli
