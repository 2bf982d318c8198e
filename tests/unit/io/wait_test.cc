// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/wait.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "snapshotter/io/event.h"
#include "snapshotter/io/operations.h"
#include "tests/support/reactor.h"

namespace lazybuild::io {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""h;

Task<void> sleep_and_note(Reactor& reactor, Deadline deadline, std::string name,
                          std::vector<std::string>& log) {
    const Result<void> result = co_await sleep(reactor, Wait{.deadline = deadline});
    log.push_back(result.has_value() ? name : name + " cancelled");
}
Task<void> sleep_for(Reactor& reactor, Clock::duration duration) {
    const Wait wait{.deadline = deadline_in(duration)};
    co_await sleep(reactor, wait);
}

TEST(Deadline, sleepers_wake_in_order_of_their_deadlines_and_equal_ones_as_they_came) {
    const auto reactor = make_reactor();
    std::vector<std::string> log;
    const Deadline base = deadline_in(100ms);  // all are asleep by then
    reactor->spawn(sleep_and_note(*reactor, base + 3ms, "d", log));
    reactor->spawn(sleep_and_note(*reactor, base + 1ms, "b", log));
    reactor->spawn(sleep_and_note(*reactor, base + 1ms, "c", log));
    reactor->spawn(sleep_and_note(*reactor, base, "a", log));
    reactor->block_on(sleep_and_note(*reactor, base + 4ms, "e", log));
    EXPECT_EQ(log, (std::vector<std::string>{"a", "b", "c", "d", "e"}));
}

Task<Result<void>> sleep_until(Reactor& reactor, Wait wait) {
    co_return co_await sleep(reactor, wait);
}
TEST(Deadline, sleep_does_not_return_before_it) {
    const auto reactor = make_reactor();
    const Deadline deadline = deadline_in(20ms);
    EXPECT_TRUE(reactor->block_on(sleep_until(*reactor, Wait{.deadline = deadline})).has_value());
    EXPECT_GE(Clock::now(), deadline);
}
TEST(Deadline, that_has_passed_ends_a_wait_before_it_begins) {
    const auto reactor = make_reactor();
    SocketPair pair;
    EXPECT_EQ(::write(pair.far.get(), "x", 1), 1);
    Bytes buffer(1);
    const Wait late{.deadline = Clock::now() - 1ms};
    EXPECT_EQ(reactor->block_on(recv(*reactor, pair.near.get(), buffer, late)).error().code,
              std::errc::timed_out);
    EXPECT_TRUE(reactor->block_on(recv(*reactor, pair.near.get(), buffer)).has_value());
}

TEST(CancelToken, empty_is_never_cancelled) {
    EXPECT_FALSE(CancelToken{}.cancelled());
}
TEST(CancelToken, knows_that_its_source_was_cancelled) {
    CancelSource source;
    const CancelToken token = source.token();
    EXPECT_FALSE(token.cancelled());
    source.cancel();
    EXPECT_TRUE(token.cancelled());
    EXPECT_TRUE(source.token().cancelled());
}
TEST(CancelToken, outlives_its_source) {
    CancelToken token;
    {
        CancelSource source;
        token = source.token();
        source.cancel();
    }
    EXPECT_TRUE(token.cancelled());
}

Task<void> wait_and_note(Event& event, Wait wait, std::vector<std::errc>& log) {
    const Result<void> result = co_await event.wait(wait);
    log.push_back(result.has_value() ? std::errc{} : result.error().code);
}
Task<void> cancel_after(Reactor& reactor, CancelSource& source, std::vector<std::errc>& log) {
    co_await sleep_for(reactor, 2ms);
    source.cancel();
    source.cancel();           // twice is once
    EXPECT_TRUE(log.empty());  // nobody is resumed inside cancel()
}
TEST(CancelSource, ends_all_waits_of_its_tokens_and_no_others) {
    const auto reactor = make_reactor();
    Event event(*reactor);
    CancelSource source;
    CancelSource other;
    std::vector<std::errc> log;
    std::vector<std::errc> other_log;
    for (int index = 0; index < 3; ++index) {
        reactor->spawn(wait_and_note(event, Wait{.cancel = source.token()}, log));
    }
    reactor->spawn(wait_and_note(event, Wait{.cancel = other.token()}, other_log));
    reactor->block_on(cancel_after(*reactor, source, log));
    reactor->block_on(sleep_for(*reactor, 1ms));
    EXPECT_EQ(log, (std::vector<std::errc>(3, std::errc::operation_canceled)));
    EXPECT_TRUE(other_log.empty());
    event.set();
    reactor->block_on(sleep_for(*reactor, 1ms));
    EXPECT_EQ(other_log, std::vector<std::errc>{std::errc{}});
}
TEST(CancelSource, cancelled_before_ends_a_wait_before_it_begins) {
    const auto reactor = make_reactor();
    Event event(*reactor);
    event.set();
    CancelSource source;
    source.cancel();
    EXPECT_EQ(reactor->block_on(event.wait(Wait{.cancel = source.token()})).error().code,
              std::errc::operation_canceled);
}
TEST(CancelSource, ends_a_sleep) {
    const auto reactor = make_reactor();
    CancelSource source;
    std::vector<std::errc> log;
    reactor->spawn(cancel_after(*reactor, source, log));
    const Wait wait{.deadline = deadline_in(1h), .cancel = source.token()};
    const Result<void> result = reactor->block_on(sleep_until(*reactor, wait));
    EXPECT_EQ(result.error().code, std::errc::operation_canceled);
    EXPECT_EQ(result.error().message, "sleep: cancelled");
}
TEST(CancelSource, posted_from_another_thread_ends_a_wait) {
    const auto reactor = make_reactor();
    CancelSource source;
    std::thread thread([&] { reactor->post([&] { source.cancel(); }); });
    const Wait wait{.deadline = deadline_in(1h), .cancel = source.token()};
    EXPECT_FALSE(reactor->block_on(sleep_until(*reactor, wait)).has_value());
    thread.join();
}

}  // namespace
}  // namespace lazybuild::io
