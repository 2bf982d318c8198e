// SPDX-License-Identifier: Apache-2.0
// Whether somebody waits for bytes, or did a moment ago: the background fill yields to that.
// Threads: any.
#pragma once

#include <atomic>
#include <chrono>

namespace lazybuild::layer {

class DemandClock {
  public:
    using Clock = std::chrono::steady_clock;

    /// Something happened that a container's reads are likely to follow.
    void touch() {
        last_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
    }
    void begin() {
        waiting_.fetch_add(1, std::memory_order_relaxed);
        touch();
    }
    void end() {
        touch();
        waiting_.fetch_sub(1, std::memory_order_relaxed);
    }

    /// Nobody waits, and nobody has for `duration`.
    bool quiet_for(std::chrono::milliseconds duration) const {
        const Clock::time_point last{Clock::duration{last_.load(std::memory_order_relaxed)}};
        return waiting_.load(std::memory_order_relaxed) == 0 && Clock::now() - last >= duration;
    }

  private:
    std::atomic<int> waiting_{0};
    std::atomic<Clock::rep> last_{Clock::now().time_since_epoch().count()};
};

/// While one of these lives, somebody waits for the network.
class Demand {
  public:
    explicit Demand(DemandClock& clock) : clock_(clock) { clock_.begin(); }
    Demand(const Demand&) = delete;
    Demand& operator=(const Demand&) = delete;
    ~Demand() { clock_.end(); }

  private:
    DemandClock& clock_;
};

}  // namespace lazybuild::layer
