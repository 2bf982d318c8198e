// SPDX-License-Identifier: Apache-2.0
// Threads that are lent: how code that has none of its own, and is not to know who has, computes on
// several at once.
#pragma once

#include <functional>

namespace lazybuild {

class Workers {
  public:
    virtual ~Workers() = default;
    /// Runs `job` on some thread, perhaps before this returns. Jobs end by themselves: they neither
    /// throw nor wait for other jobs. Threads: any.
    virtual void submit(std::move_only_function<void()> job) = 0;
};

/// Nobody's threads but the caller's own.
class CallerWorkers final : public Workers {
  public:
    void submit(std::move_only_function<void()> job) override { job(); }
};

}  // namespace lazybuild
