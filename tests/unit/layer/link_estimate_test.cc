// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/link_estimate.h"

#include <gtest/gtest.h>

namespace lazybuild::layer {
namespace {

using std::chrono::milliseconds;

TEST(LinkEstimate, asks_for_the_minimum_while_nothing_is_known) {
    EXPECT_EQ(LinkEstimate{}.window_bytes(), LinkEstimate::kWindowBytesMin);
}

TEST(LinkEstimate, asks_for_what_the_link_carries_in_a_round_trip) {
    LinkEstimate link;
    link.record(1'000, milliseconds{5});        // a round trip
    link.record(2'500'000, milliseconds{125});  // 20 bytes a microsecond
    const double expected = 100'000;
    EXPECT_NEAR(static_cast<double>(link.window_bytes()), expected, expected / 100);
}

TEST(LinkEstimate, stays_within_its_limits) {
    LinkEstimate slow;
    slow.record(100, milliseconds{1});
    slow.record(64 << 10, milliseconds{60'000});
    EXPECT_EQ(slow.window_bytes(), LinkEstimate::kWindowBytesMin);
    LinkEstimate fat;
    fat.record(100, milliseconds{300});
    fat.record(std::uint64_t{1} << 32, milliseconds{1000});
    EXPECT_EQ(fat.window_bytes(), LinkEstimate::kWindowBytesMax);
}

TEST(LinkEstimate, forgets_a_link_that_is_no_more) {
    LinkEstimate link;
    link.record(100, milliseconds{500});
    link.record(1 << 30, milliseconds{1000});
    EXPECT_EQ(link.window_bytes(), LinkEstimate::kWindowBytesMax);
    for (int i = 0; i < 32; ++i) {
        link.record(40 << 10, milliseconds{1});
    }
    EXPECT_NEAR(static_cast<double>(link.window_bytes()), 40 << 10, 100);
}

}  // namespace
}  // namespace lazybuild::layer
