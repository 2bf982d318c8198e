// SPDX-License-Identifier: Apache-2.0
#include "codec/strand.h"

#include <utility>

namespace lazybuild::codec {

void Strand::post(std::move_only_function<void()> job) {
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
        if (std::exchange(running_, true)) {
            return;
        }
    }
    workers_.submit([this] { run(); });
}

void Strand::run() {
    while (true) {
        std::move_only_function<void()> job;
        {
            const std::lock_guard lock(mutex_);
            if (jobs_.empty()) {
                running_ = false;
                // Under the lock: who waits may destroy the strand as soon as it has it.
                idle_.notify_all();
                return;
            }
            job = std::move(jobs_.front());
            jobs_.pop_front();
        }
        job();
    }
}

void Strand::wait() {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return !running_; });
}

}  // namespace lazybuild::codec
