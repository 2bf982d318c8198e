// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/link_estimate.h"

#include <algorithm>

namespace lazybuild::layer {
namespace {

// Smaller answers say nothing about the rate: they are all latency.
constexpr std::uint64_t kRateSampleBytesMin = 32 << 10;

}  // namespace

void LinkEstimate::record(std::uint64_t size_bytes, std::chrono::nanoseconds duration) {
    samples_[count_++ % kSamplesMax] = {
        .size_bytes = size_bytes, .duration = std::max(duration, std::chrono::nanoseconds{1})};
}

std::uint64_t LinkEstimate::window_bytes() const {
    const std::size_t known = std::min(count_, kSamplesMax);
    double round_trip_ns = 0;
    double bytes_per_ns = 0;
    for (std::size_t i = 0; i < known; ++i) {
        const auto& [size_bytes, duration] = samples_[i];
        const auto took_ns = static_cast<double>(duration.count());
        round_trip_ns = round_trip_ns == 0 ? took_ns : std::min(round_trip_ns, took_ns);
        if (size_bytes >= kRateSampleBytesMin) {
            bytes_per_ns = std::max(bytes_per_ns, static_cast<double>(size_bytes) / took_ns);
        }
    }
    const auto product = static_cast<std::uint64_t>(
        std::min(round_trip_ns * bytes_per_ns, static_cast<double>(kWindowBytesMax)));
    return std::clamp(product, kWindowBytesMin, kWindowBytesMax);
}

}  // namespace lazybuild::layer
