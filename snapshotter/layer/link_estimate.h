// SPDX-License-Identifier: Apache-2.0
// How much to ask for at once. Lazy pulling loses to a full pull when every read waits a round trip
// for a few kilobytes, so a request asks for what the link carries during one round trip anyway:
// the bandwidth-delay product (design section 4), as seen in the latest requests.
//
// Threads: one (the reactor's).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace lazybuild::layer {

class LinkEstimate {
  public:
    static constexpr std::uint64_t kWindowBytesMin = 32 << 10;
    static constexpr std::uint64_t kWindowBytesMax = 128 << 10;

    /// A request for `size_bytes` took `duration` from its start to its last byte.
    void record(std::uint64_t size_bytes, std::chrono::nanoseconds duration);

    /// Best rate times shortest round trip of the latest requests, within the limits above.
    std::uint64_t window_bytes() const;

  private:
    struct Sample {
        std::uint64_t size_bytes = 0;
        std::chrono::nanoseconds duration{0};
    };
    static constexpr std::size_t kSamplesMax = 32;

    std::array<Sample, kSamplesMax> samples_{};
    std::size_t count_ = 0;
};

}  // namespace lazybuild::layer
