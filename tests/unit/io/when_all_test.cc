// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/when_all.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "snapshotter/io/operations.h"
#include "tests/support/reactor.h"

namespace lazybuild::io {
namespace {

using std::chrono_literals::operator""ms;

Task<Result<int>> later(Reactor& reactor, int value, std::chrono::milliseconds delay) {
    const Wait wait{.deadline = deadline_in(delay)};
    co_await or_return(co_await sleep(reactor, wait));
    if (value < 0) {
        co_return fail(invalid("negative"));
    }
    co_return value;
}

TEST(WhenAll, gives_results_in_the_order_of_the_tasks_whichever_ends_first) {
    const auto reactor = make_reactor();
    std::vector<Task<Result<int>>> tasks;
    tasks.push_back(later(*reactor, 1, 3ms));
    tasks.push_back(later(*reactor, -1, 1ms));
    tasks.push_back(later(*reactor, 3, 2ms));
    const std::vector<Result<int>> results =
        reactor->block_on(when_all(*reactor, std::move(tasks)));
    ASSERT_EQ(results.size(), 3U);
    EXPECT_EQ(results[0].value(), 1);
    EXPECT_EQ(results[1].error().message, "negative");
    EXPECT_EQ(results[2].value(), 3);
}
TEST(WhenAll, of_nothing_is_nothing) {
    const auto reactor = make_reactor();
    EXPECT_TRUE(reactor->block_on(when_all(*reactor, std::vector<Task<Result<int>>>{})).empty());
}

Task<Result<int>> at_once(int value) {
    co_return value;
}
TEST(WhenAll, of_many_tasks_that_never_wait) {
    const auto reactor = make_reactor();
    std::vector<Task<Result<int>>> tasks;
    for (int value = 0; value < 10'000; ++value) {
        tasks.push_back(at_once(value));
    }
    const std::vector<Result<int>> results =
        reactor->block_on(when_all(*reactor, std::move(tasks)));
    EXPECT_EQ(results.size(), 10'000U);
    EXPECT_EQ(results.back().value(), 9'999);
}

// One after the other they would take longer than the deadline that each is given from the start.
Task<Result<int>> meet(Reactor& reactor, int& arrived, int expected) {
    ++arrived;
    for (int round = 0; round < 1000 && arrived < expected; ++round) {
        const Wait wait{.deadline = deadline_in(1ms)};
        co_await or_return(co_await sleep(reactor, wait));
    }
    co_return arrived;
}
TEST(WhenAll, runs_the_tasks_side_by_side) {
    const auto reactor = make_reactor();
    int arrived = 0;
    std::vector<Task<Result<int>>> tasks;
    for (int index = 0; index < 3; ++index) {
        tasks.push_back(meet(*reactor, arrived, 3));
    }
    for (const Result<int>& result : reactor->block_on(when_all(*reactor, std::move(tasks)))) {
        EXPECT_EQ(result.value(), 3);
    }
}

}  // namespace
}  // namespace lazybuild::io
