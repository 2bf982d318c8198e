// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/origin_limits.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/support/reactor.h"

namespace lazybuild::layer {
namespace {

/// Takes permits of one host until there is none for a moment; they are kept in `taken`.
io::Task<Result<void>> take_all(OriginLimits& limits, std::string host,
                                std::vector<io::Permit>& taken) {
    while (true) {
        const io::Wait moment{.deadline = io::deadline_in(std::chrono::milliseconds{20}),
                              .cancel = {}};
        Result<io::Permit> permit = co_await limits.fetch(host, moment);
        if (!permit) {
            co_return Result<void>{};
        }
        taken.push_back(*std::move(permit));
    }
}

std::size_t permits_left(io::Reactor& reactor, OriginLimits& limits, const std::string& host,
                         std::vector<io::Permit>& taken) {
    const std::size_t before = taken.size();
    EXPECT_TRUE(reactor.block_on(take_all(limits, host, taken)).has_value());
    return taken.size() - before;
}

TEST(OriginLimits, a_host_whose_permits_are_taken_holds_up_no_other) {
    const auto reactor = io::make_reactor();
    OriginLimits limits{*reactor, 3, 1};
    std::vector<io::Permit> taken;
    EXPECT_EQ(permits_left(*reactor, limits, "stalled:5000", taken), 3U);
    EXPECT_EQ(permits_left(*reactor, limits, "stalled:5000", taken), 0U);
    EXPECT_EQ(permits_left(*reactor, limits, "healthy:5000", taken), 3U);
    EXPECT_EQ(permits_left(*reactor, limits, "", taken), 3U);
    taken.clear();
    EXPECT_EQ(permits_left(*reactor, limits, "stalled:5000", taken), 3U);
}

TEST(OriginLimits, hosts_past_the_limit_share) {
    const auto reactor = io::make_reactor();
    OriginLimits limits{*reactor, 1, 1};
    std::vector<io::Permit> taken;
    for (std::size_t host = 0; host < kLimitedHostsMax; ++host) {
        EXPECT_EQ(permits_left(*reactor, limits, std::to_string(host), taken), 1U);
    }
    EXPECT_EQ(permits_left(*reactor, limits, "one more", taken), 1U);
    EXPECT_EQ(permits_left(*reactor, limits, "and another", taken), 0U);
}

}  // namespace
}  // namespace lazybuild::layer
