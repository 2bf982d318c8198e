// SPDX-License-Identifier: Apache-2.0
// One "#N" of the progress of an export; failed unless it was said to be done.
// Threads: step() any, several at once.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "builder/solve/progress.h"

namespace lazybuild::exporter {

class ProgressTask {
  public:
    ProgressTask(solve::Progress& progress, std::string_view text)
        : progress_(progress), id_(progress.begin(text)) {}
    ProgressTask(const ProgressTask&) = delete;
    ProgressTask& operator=(const ProgressTask&) = delete;
    ~ProgressTask() { progress_.end(id_, outcome_, error_); }

    void step(std::string_view what, std::uint64_t current, std::uint64_t total) {
        // Things are counted, not bytes.
        const bool done = current == total;
        progress_.advance(
            id_, done ? std::string(what) : fmt::format("{} {} of {}", what, current, total),
            done ? 1 : 0, 1);
    }
    /// For the result of what the task is about.
    void close(const Result<void>& result) {
        if (result) {
            outcome_ = solve::Outcome::done;
        } else {
            error_ = result.error().message;
            outcome_ = solve::outcome_of(result.error());
        }
    }

  private:
    solve::Progress& progress_;
    solve::TaskId id_;
    solve::Outcome outcome_ = solve::Outcome::failed;
    std::string error_;
};

}  // namespace lazybuild::exporter
