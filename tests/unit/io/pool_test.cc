// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "snapshotter/io/when_all.h"
#include "tests/support/reactor.h"

namespace lazybuild::io {
namespace {

Task<void> compare_threads(Pool& pool, Reactor& reactor) {
    const std::thread::id here = std::this_thread::get_id();
    auto job = [] { return std::this_thread::get_id(); };
    const std::thread::id there = co_await run_on(pool, reactor, job);
    EXPECT_NE(there, here);
    EXPECT_EQ(std::this_thread::get_id(), here);
}
TEST(Pool, runs_the_job_elsewhere_and_the_coroutine_goes_on_here) {
    Pool pool(1);
    const auto reactor = make_reactor();
    reactor->block_on(compare_threads(pool, *reactor));
}

Task<Result<int>> sum_on_pool(Pool& pool, Reactor& reactor, std::vector<int> numbers) {
    auto job = [&numbers] {
        int sum = 0;
        for (const int number : numbers) {
            sum += number;
        }
        return sum;
    };
    const int sum = co_await run_on(pool, reactor, job);
    numbers.clear();
    co_return sum;
}
TEST(Pool, a_thousand_jobs_come_back_each_to_its_own_coroutine) {
    Pool pool(4);
    const auto reactor = make_reactor();
    std::vector<Task<Result<int>>> tasks;
    for (int index = 0; index < 1000; ++index) {
        tasks.push_back(sum_on_pool(pool, *reactor, {index, 1, 2}));
    }
    const std::vector<Result<int>> sums = reactor->block_on(when_all(*reactor, std::move(tasks)));
    for (std::size_t index = 0; index < sums.size(); ++index) {
        EXPECT_EQ(sums[index].value(), static_cast<int>(index) + 3);
    }
}

Task<std::unique_ptr<int>> value_that_only_moves(Pool& pool, Reactor& reactor) {
    auto seed = std::make_unique<int>(20);
    auto job = [seed = std::move(seed)] { return std::make_unique<int>(*seed + 1); };
    std::unique_ptr<int> value = co_await run_on(pool, reactor, std::move(job));
    auto no_value = [&value] { ++*value; };
    co_await run_on(pool, reactor, no_value);
    co_return value;
}
TEST(Pool, jobs_may_own_and_return_what_only_moves_or_nothing) {
    Pool pool(1);
    const auto reactor = make_reactor();
    EXPECT_EQ(*reactor->block_on(value_that_only_moves(pool, *reactor)), 22);
}

TEST(Pool, finishes_queued_jobs_before_it_goes) {
    std::atomic<int> ended = 0;
    std::latch begin(1);
    {
        Pool pool(2);
        for (int index = 0; index < 50; ++index) {
            pool.submit([&] {
                begin.wait();
                ++ended;
            });
        }
        begin.count_down();
    }
    EXPECT_EQ(ended, 50);
}

Task<void> job_then_note(Pool& pool, Reactor& reactor, std::latch& go, bool& went_on) {
    auto job = [&go] { go.wait(); };
    co_await run_on(pool, reactor, job);
    went_on = true;
}
TEST(Pool, a_reactor_that_stops_waits_for_jobs_that_its_tasks_wait_for) {
    Pool pool(1);
    std::latch go(1);
    bool went_on = false;
    const auto reactor = make_reactor();
    reactor->spawn(job_then_note(pool, *reactor, go, went_on));
    std::thread thread([&] { reactor->run(); });
    reactor->stop();
    go.count_down();
    thread.join();
    EXPECT_TRUE(went_on);
}

}  // namespace
}  // namespace lazybuild::io
