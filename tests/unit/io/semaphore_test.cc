// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/semaphore.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "snapshotter/io/operations.h"
#include "snapshotter/io/when_all.h"
#include "tests/support/reactor.h"

namespace lazybuild::io {
namespace {

using std::chrono_literals::operator""ms;

struct Book {
    int inside = 0;
    int inside_max = 0;
    std::vector<int> order;
};

Task<Result<void>> pass_through(Reactor& reactor, Semaphore& semaphore, int name, Book& book,
                                Wait wait) {
    const Permit permit = co_await or_return(co_await semaphore.acquire(wait));
    book.order.push_back(name);
    ++book.inside;
    book.inside_max = std::max(book.inside_max, book.inside);
    const Wait moment{.deadline = deadline_in(1ms)};
    co_await or_return(co_await sleep(reactor, moment));
    --book.inside;
    co_return {};
}

TEST(Semaphore, lets_so_many_in_at_once_and_in_the_order_they_came) {
    const auto reactor = make_reactor();
    Semaphore semaphore(*reactor, 3);
    Book book;
    std::vector<Task<Result<void>>> tasks;
    std::vector<int> names;
    for (int name = 0; name < 20; ++name) {
        tasks.push_back(pass_through(*reactor, semaphore, name, book, Wait{}));
        names.push_back(name);
    }
    for (const Result<void>& result : reactor->block_on(when_all(*reactor, std::move(tasks)))) {
        EXPECT_TRUE(result.has_value());
    }
    EXPECT_EQ(book.order, names);
    EXPECT_EQ(book.inside_max, 3);
    EXPECT_EQ(semaphore.available(), 3U);
}

Task<Result<void>> release_then_compete(Reactor& reactor, Semaphore& semaphore,
                                        std::vector<int>& order) {
    Permit first = co_await or_return(co_await semaphore.acquire());
    const Wait moment{.deadline = deadline_in(2ms)};
    co_await or_return(co_await sleep(reactor, moment));
    first.release();  // somebody waits by now: it is theirs, although they have not run yet
    const Permit second = co_await or_return(co_await semaphore.acquire());
    order.push_back(1);
    co_return {};
}
Task<Result<void>> take_turn(Semaphore& semaphore, std::vector<int>& order) {
    const Permit permit = co_await or_return(co_await semaphore.acquire());
    order.push_back(2);
    co_return {};
}
TEST(Semaphore, a_released_permit_cannot_be_taken_back_before_those_who_wait) {
    const auto reactor = make_reactor();
    Semaphore semaphore(*reactor, 1);
    std::vector<int> order;
    std::vector<Task<Result<void>>> tasks;
    tasks.push_back(release_then_compete(*reactor, semaphore, order));
    tasks.push_back(take_turn(semaphore, order));
    reactor->block_on(when_all(*reactor, std::move(tasks)));
    EXPECT_EQ(order, (std::vector<int>{2, 1}));
}

Task<Result<void>> time_out_in_the_queue(Semaphore& semaphore) {
    Permit held = co_await or_return(co_await semaphore.acquire());
    const Wait brief{.deadline = deadline_in(1ms)};
    const Result<Permit> refused = co_await semaphore.acquire(brief);
    EXPECT_EQ(refused.error().code, std::errc::timed_out);
    EXPECT_FALSE(semaphore.try_acquire());
    held.release();
    EXPECT_TRUE(semaphore.try_acquire());
    co_return {};
}
TEST(Semaphore, who_times_out_leaves_the_queue_and_no_permit_is_lost) {
    const auto reactor = make_reactor();
    Semaphore semaphore(*reactor, 1);
    EXPECT_TRUE(reactor->block_on(time_out_in_the_queue(semaphore)).has_value());
    EXPECT_EQ(semaphore.available(), 1U);
}

TEST(Permit, assigned_over_another_gives_that_one_back) {
    const auto reactor = make_reactor();
    Semaphore semaphore(*reactor, 2);
    Permit first = semaphore.try_acquire();
    Permit second = semaphore.try_acquire();
    EXPECT_EQ(semaphore.available(), 0U);
    first = std::move(second);
    EXPECT_EQ(semaphore.available(), 1U);
    first.release();
    first.release();
    EXPECT_EQ(semaphore.available(), 2U);
}

}  // namespace
}  // namespace lazybuild::io
