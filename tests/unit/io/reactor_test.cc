// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/reactor.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "snapshotter/io/event.h"
#include "snapshotter/io/operations.h"
#include "tests/support/reactor.h"

namespace lazybuild::io {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""h;

Task<void> nap(Reactor& reactor) {
    const Wait wait{.deadline = deadline_in(1ms)};
    co_await sleep(reactor, wait);
}
Task<void> note(int name, std::vector<int>& log) {
    log.push_back(name);
    co_return;
}
Task<void> count(int& counter) {
    ++counter;
    co_return;
}

TEST(Reactor, runs_posted_functions_in_order_on_its_own_thread) {
    const auto reactor = make_reactor();
    std::vector<int> log;
    bool all_on_thread = true;
    for (int name = 0; name < 5; ++name) {
        reactor->post([&, name] {
            log.push_back(name);
            all_on_thread = all_on_thread && reactor->on_thread();
        });
    }
    EXPECT_FALSE(reactor->on_thread());
    std::thread thread([&] { reactor->run(); });
    reactor->stop();
    thread.join();
    EXPECT_EQ(log, (std::vector<int>{0, 1, 2, 3, 4}));
    EXPECT_TRUE(all_on_thread);
}
TEST(Reactor, takes_posts_and_tasks_from_many_threads_while_it_sleeps) {
    const auto reactor = make_reactor();
    std::thread thread([&] { reactor->run(); });
    int posted = 0;
    int spawned = 0;
    std::vector<std::thread> others;
    for (int index = 0; index < 4; ++index) {
        others.emplace_back([&] {
            for (int round = 0; round < 250; ++round) {
                reactor->post([&] { ++posted; });
                reactor->spawn(count(spawned));
            }
        });
    }
    for (std::thread& other : others) {
        other.join();
    }
    reactor->stop();
    thread.join();
    EXPECT_EQ(posted, 1000);
    EXPECT_EQ(spawned, 1000);
}
TEST(Reactor, keeps_spawned_tasks_going_between_two_block_ons) {
    const auto reactor = make_reactor();
    std::vector<int> log;
    reactor->block_on(note(1, log));
    reactor->spawn(note(2, log));
    EXPECT_EQ(log, std::vector<int>{1});  // spawn does not run anything itself
    reactor->block_on(note(3, log));
    EXPECT_EQ(log, (std::vector<int>{1, 2, 3}));
}

Task<void> wait_for_bytes(Reactor& reactor, int fd, std::vector<std::errc>& log) {
    Bytes buffer(4096);
    while (true) {
        const Result<std::size_t> size_bytes = co_await recv(reactor, fd, buffer);
        if (!size_bytes.has_value()) {
            log.push_back(size_bytes.error().code);
            co_return;
        }
    }
}
Task<void> wait_for_event(Event& event, std::vector<std::errc>& log) {
    const Result<void> result = co_await event.wait();
    log.push_back(result.has_value() ? std::errc{} : result.error().code);
}
Task<void> wait_for_time(Reactor& reactor, std::vector<std::errc>& log) {
    const Wait wait{.deadline = deadline_in(1h)};
    const Result<void> result = co_await sleep(reactor, wait);
    log.push_back(result.has_value() ? std::errc{} : result.error().code);
}
TEST(Reactor, stop_ends_whatever_tasks_wait_for) {
    const auto reactor = make_reactor();
    SocketPair pair;
    Event event(*reactor);
    std::vector<std::errc> log;
    for (int index = 0; index < 100; ++index) {
        reactor->spawn(wait_for_bytes(*reactor, pair.near.get(), log));
        reactor->spawn(wait_for_event(event, log));
        reactor->spawn(wait_for_time(*reactor, log));
    }
    std::thread thread([&] { reactor->run(); });
    EXPECT_EQ(::write(pair.far.get(), "x", 1), 1);
    reactor->stop();
    thread.join();
    EXPECT_EQ(log, (std::vector<std::errc>(300, std::errc::operation_canceled)));
}
TEST(Reactor, ends_tasks_that_still_wait_when_it_is_destroyed) {
    std::vector<std::errc> log;
    const SocketPair pair;
    {
        const auto reactor = make_reactor();
        reactor->block_on(nap(*reactor));
        reactor->spawn(wait_for_bytes(*reactor, pair.near.get(), log));
        reactor->spawn(wait_for_time(*reactor, log));
        reactor->block_on(nap(*reactor));
        EXPECT_TRUE(log.empty());
    }
    EXPECT_EQ(log, (std::vector<std::errc>(2, std::errc::operation_canceled)));
}

Task<void> hold(std::shared_ptr<int> value) {
    ++*value;
    co_return;
}
TEST(Reactor, destroys_tasks_and_functions_that_it_never_began) {
    const auto value = std::make_shared<int>(0);
    {
        const auto reactor = make_reactor();
        reactor->spawn(hold(value));
        reactor->post([value] { ++*value; });
        EXPECT_EQ(value.use_count(), 3);
    }
    EXPECT_EQ(value.use_count(), 1);
    EXPECT_EQ(*value, 0);
}

Task<void> clean_up_with_a_wait(Reactor& reactor, bool& cleaned) {
    const Wait wait{.deadline = deadline_in(1h)};
    co_await sleep(reactor, wait);
    const Result<void> again = co_await sleep(reactor, wait);  // over before it begins
    cleaned = !again.has_value();
}
TEST(Reactor, tasks_run_to_their_end_after_a_stop) {
    const auto reactor = make_reactor();
    bool cleaned = false;
    reactor->spawn(clean_up_with_a_wait(*reactor, cleaned));
    reactor->stop();
    reactor->run();
    EXPECT_TRUE(cleaned);
}

Task<void> spin(Reactor& reactor) {
    const Wait wait{.deadline = deadline_in(1h)};
    while (true) {
        co_await sleep(reactor, wait);
    }
}
TEST(ReactorDeathTest, a_task_that_never_ends_after_a_stop_ends_the_program) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto run = [] {
        const auto reactor = make_reactor(ReactorOptions{.drain_limit = 20ms});
        reactor->spawn(spin(*reactor));
        reactor->stop();
        reactor->run();
    };
    EXPECT_DEATH(run(), "tasks do not end after the reactor was stopped.*tasks=1");
}
TEST(ReactorDeathTest, is_for_its_own_thread) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto run = [] {
        const auto reactor = make_reactor();
        reactor->block_on(nap(*reactor));
        std::thread([&] { reactor->schedule(std::noop_coroutine()); }).join();
    };
    EXPECT_DEATH(run(), "on_thread");
}

Task<void> drive_from_inside(Reactor& reactor) {
    reactor.block_on(nap(reactor));
    co_return;
}
TEST(ReactorDeathTest, is_not_driven_from_a_coroutine) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto run = [] {
        const auto reactor = make_reactor();
        reactor->block_on(drive_from_inside(*reactor));
    };
    EXPECT_DEATH(run(), "working_");
}

}  // namespace
}  // namespace lazybuild::io
