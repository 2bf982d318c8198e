// SPDX-License-Identifier: Apache-2.0
// What a build tells about itself while it runs; displays, reports and logs are listeners.
// Threads: any, also several at once; a listener locks.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "codec/digest.h"

namespace lazybuild::solve {

using Time = std::chrono::system_clock::time_point;

/// Something that is shown as one "#N": a step, loading the Dockerfile, exporting.
using TaskId = std::uint32_t;

enum class Outcome : std::uint8_t { done, cached, failed, cancelled };

/// How something that ended with `error` is shown: what was given up, or is begun anew
/// (resource_unavailable_try_again), has not failed.
inline Outcome outcome_of(const Error& error) {
    return error.code == std::errc::operation_canceled ||
                   error.code == std::errc::resource_unavailable_try_again
               ? Outcome::cancelled
               : Outcome::failed;
}

struct StepReport {
    std::string stage;
    std::string key;                  ///< of the step, "sha256:…"; "" for none
    std::string why_not_cached;       ///< one sentence; "" when it was
    std::string cache;                ///< that it was found in, as named; "" for the store's own
    std::uint64_t fetched_bytes = 0;  ///< lazily, while it ran
    std::vector<std::pair<std::string, std::uint64_t>> fetched_from;  ///< layer, bytes
    std::vector<TaskId> inputs;
};

class Progress {
  public:
    virtual ~Progress() = default;
    virtual TaskId begin(std::string_view text) = 0;
    /// Output of a RUN, as it comes: `stream` 1 is stdout, 2 is stderr.
    virtual void output(TaskId task, int stream, std::string_view bytes) = 0;
    /// "sha256:… 10MB / 20MB": `total` 0 when not known.
    virtual void advance(TaskId task, std::string_view what, std::uint64_t current,
                         std::uint64_t total) = 0;
    virtual void end(TaskId task, Outcome outcome, std::string_view error = {}) = 0;
    virtual void report(TaskId task, const StepReport& report) = 0;
    virtual void warn(std::string_view message) = 0;
};

}  // namespace lazybuild::solve
