// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/event.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "tests/support/reactor.h"

namespace lazybuild::io {
namespace {

using std::chrono_literals::operator""ms;

Task<void> note_when_set(Event& event, int name, std::vector<int>& log) {
    const Result<void> result = co_await event.wait();
    log.push_back(result.has_value() ? name : -name);
}
Task<void> set_and_reset(Event& event, std::vector<int>& log) {
    event.set();
    event.reset();
    EXPECT_TRUE(log.empty());  // nobody is resumed inside set()
    co_return;
}

TEST(Event, lets_everyone_go_on_in_the_order_they_came) {
    const auto reactor = make_reactor();
    Event event(*reactor);
    std::vector<int> log;
    reactor->block_on(set_and_reset(event, log));  // claims the thread
    for (int name = 1; name <= 3; ++name) {
        reactor->spawn(note_when_set(event, name, log));
    }
    reactor->block_on(set_and_reset(event, log));
    reactor->block_on(event.wait(Wait{.deadline = deadline_in(1ms)}));
    EXPECT_EQ(log, (std::vector<int>{1, 2, 3}));
}
TEST(Event, that_was_reset_makes_newcomers_wait) {
    const auto reactor = make_reactor();
    Event event(*reactor);
    event.set();
    EXPECT_TRUE(reactor->block_on(event.wait()).has_value());
    event.reset();
    EXPECT_EQ(reactor->block_on(event.wait(Wait{.deadline = deadline_in(1ms)})).error().code,
              std::errc::timed_out);
}
TEST(Event, a_wait_that_timed_out_is_not_in_the_queue_any_more) {
    const auto reactor = make_reactor();
    Event event(*reactor);
    EXPECT_FALSE(reactor->block_on(event.wait(Wait{.deadline = deadline_in(1ms)})).has_value());
    event.set();
    EXPECT_TRUE(reactor->block_on(event.wait()).has_value());
}

}  // namespace
}  // namespace lazybuild::io
