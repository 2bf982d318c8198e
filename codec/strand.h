// SPDX-License-Identifier: Apache-2.0
// Jobs that run one at a time and in order, on whichever worker is free: what a digest of a stream
// needs, while other work goes on beside it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

#include "base/workers.h"

namespace lazybuild::codec {

class Strand {
  public:
    /// `workers` outlives it.
    explicit Strand(Workers& workers) : workers_(workers) {}
    Strand(const Strand&) = delete;
    Strand& operator=(const Strand&) = delete;
    ~Strand() { wait(); }

    /// Threads: one at a time; jobs run in the order of the calls.
    void post(std::move_only_function<void()> job);

    /// Until every job that was posted has ended. Not from a job.
    void wait();

  private:
    void run();

    Workers& workers_;
    std::mutex mutex_;  // guards what follows
    std::condition_variable idle_;
    std::deque<std::move_only_function<void()>> jobs_;
    bool running_ = false;
};

}  // namespace lazybuild::codec
