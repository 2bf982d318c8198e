// SPDX-License-Identifier: Apache-2.0
#include "builder/export/parallel.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace lazybuild::exporter {

std::size_t parallel_threads(const image::Session& session) {
    // Most of what they do is to wait for a registry, which takes that many requests at once.
    constexpr std::size_t kThreadsMin = 8;
    return std::max(session.jobs(), kThreadsMin);
}

Result<void> run_parallel(std::size_t count, std::size_t threads,
                          const std::function<Result<void>(std::size_t)>& one) {
    std::atomic<std::size_t> next = 0;
    std::atomic<bool> failed = false;
    std::vector<std::optional<Error>> errors(count);
    auto work = [&] {
        for (std::size_t i = next++; i < count && !failed; i = next++) {
            if (auto done = one(i); !done) {
                errors[i] = std::move(done).error();
                failed = true;
            }
        }
    };
    {
        std::vector<std::jthread> helpers;
        for (std::size_t i = 1; i < std::min(threads, count); ++i) {
            helpers.emplace_back(work);
        }
        work();
    }
    for (std::optional<Error>& error : errors) {
        // What was cancelled was so because something else failed, or the user wanted it.
        if (error && error->code != std::errc::operation_canceled) {
            return fail(*std::move(error));
        }
    }
    for (std::optional<Error>& error : errors) {
        if (error) {
            return fail(*std::move(error));
        }
    }
    return {};
}

}  // namespace lazybuild::exporter
