// SPDX-License-Identifier: Apache-2.0
// Jobs that run one at a time and in order, on whichever worker is free: what a digest of a stream
// needs, while other work goes on beside it.
#pragma once

#include <functional>
#include <memory>

#include "base/workers.h"

namespace lazybuild::codec {

class Strand {
  public:
    /// `workers` outlives it.
    explicit Strand(Workers& workers);
    Strand(const Strand&) = delete;
    Strand& operator=(const Strand&) = delete;
    ~Strand();

    /// Threads: one at a time; jobs run in the order of the calls.
    void post(std::move_only_function<void()> job);

    /// Until every job that was posted has ended. Jobs that no worker has begun are run here, so
    /// that a worker may wait for a strand of its own kind. Not from a job.
    void wait();

  private:
    struct State;
    Workers& workers_;
    const std::shared_ptr<State> state_;  // outlives this where a worker comes too late
};

}  // namespace lazybuild::codec
