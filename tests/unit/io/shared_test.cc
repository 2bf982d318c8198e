// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/shared.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "snapshotter/io/operations.h"
#include "snapshotter/io/when_all.h"
#include "tests/support/reactor.h"

namespace lazybuild::io {
namespace {

using std::chrono_literals::operator""ms;

Task<Result<std::string>> compute(Event& go, int& runs) {
    ++runs;
    co_await or_return(co_await go.wait());
    co_return "computed";
}
Task<Result<std::string>> compute_and_fail() {
    co_return fail(corrupt("bad bytes"));
}
Task<Result<void>> set(Event& event) {
    event.set();
    co_return {};
}
Task<Result<void>> expect_computed(Shared<std::string> shared) {
    const std::string text = co_await or_return(co_await shared.result());
    EXPECT_EQ(text, "computed");
    co_return {};
}

TEST(Shared, runs_once_for_all_who_want_it) {
    const auto reactor = make_reactor();
    Event go(*reactor);
    int runs = 0;
    const auto shared = Shared<std::string>::start(*reactor, compute(go, runs));
    std::vector<Task<Result<void>>> tasks;
    for (int index = 0; index < 10; ++index) {
        tasks.push_back(expect_computed(shared));
    }
    tasks.push_back(set(go));
    for (const Result<void>& result : reactor->block_on(when_all(*reactor, std::move(tasks)))) {
        EXPECT_TRUE(result.has_value());
    }
    EXPECT_EQ(runs, 1);
    EXPECT_TRUE(shared.finished());
}
TEST(Shared, goes_on_when_one_who_waits_gives_up) {
    const auto reactor = make_reactor();
    Event go(*reactor);
    int runs = 0;
    const auto shared = Shared<std::string>::start(*reactor, compute(go, runs));
    const Wait brief{.deadline = deadline_in(1ms)};
    EXPECT_EQ(reactor->block_on(shared.result(brief)).error().code, std::errc::timed_out);
    EXPECT_FALSE(shared.finished());
    go.set();
    EXPECT_EQ(reactor->block_on(shared.result()).value(), "computed");
    EXPECT_EQ(runs, 1);
}
TEST(Shared, gives_its_error_to_all_even_late) {
    const auto reactor = make_reactor();
    const auto shared = Shared<std::string>::start(*reactor, compute_and_fail());
    EXPECT_EQ(reactor->block_on(shared.result()).error().message, "bad bytes");
    EXPECT_EQ(reactor->block_on(shared.result()).error().message, "bad bytes");
}
TEST(Shared, runs_to_its_end_when_nobody_has_a_handle) {
    const auto reactor = make_reactor();
    Event go(*reactor);
    int runs = 0;
    (void)Shared<std::string>::start(*reactor, compute(go, runs));
    reactor->block_on(sleep(*reactor, Wait{.deadline = deadline_in(1ms)}));
    EXPECT_EQ(runs, 1);
    go.set();
    reactor->block_on(sleep(*reactor, Wait{.deadline = deadline_in(1ms)}));
}

}  // namespace
}  // namespace lazybuild::io
