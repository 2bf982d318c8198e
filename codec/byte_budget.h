// SPDX-License-Identifier: Apache-2.0
// How many bytes may be in memory at once, shared by all who hold some: several layers that are
// converted side by side together take no more than one alone.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

namespace lazybuild::codec {

/// Threads: any.
class ByteBudget {
  public:
    explicit ByteBudget(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

    /// Takes `size_bytes`, and waits for them while they are not there and `must_wait()` says so.
    /// Whoever holds nothing must not wait, or nobody might ever go on; so the budget may be
    /// overdrawn by one portion each.
    void take(std::uint64_t size_bytes, const std::function<bool()>& must_wait);
    void give_back(std::uint64_t size_bytes);
    /// `must_wait()` has changed its mind.
    void wake();

  private:
    const std::uint64_t bytes_max_;
    std::mutex mutex_;  // guards taken_bytes_
    std::condition_variable changed_;
    std::uint64_t taken_bytes_ = 0;
};

}  // namespace lazybuild::codec
