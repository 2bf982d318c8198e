// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/reactor.h"

namespace lazybuild::io {
namespace {

class Mark {
  public:
    Mark(std::vector<std::string>& log, std::string name) : log_(log), name_(std::move(name)) {}
    Mark(const Mark&) = delete;
    Mark& operator=(const Mark&) = delete;
    ~Mark() { log_.push_back("~" + name_); }

  private:
    std::vector<std::string>& log_;
    std::string name_;
};

Task<int> plus_one(int value) {
    co_return value + 1;
}
Task<int> count_to(int end) {
    int value = 0;
    while (value < end) {
        value = co_await plus_one(value);
    }
    co_return value;
}
TEST(Task, two_million_awaits_that_never_wait_do_not_grow_the_stack) {
    EXPECT_EQ(make_reactor()->block_on(count_to(2'000'000)), 2'000'000);
}

Task<Result<int>> plus_one_or_fail(int value) {
    if (value == 1'999'999) {
        co_return fail(invalid("far enough"));
    }
    co_return value + 1;
}
Task<Result<int>> count_until_error() {
    int value = 0;
    while (true) {
        value = co_await or_return(co_await plus_one_or_fail(value));
    }
}
TEST(Task, two_million_or_returns_end_with_the_error) {
    const Result<int> result = make_reactor()->block_on(count_until_error());
    EXPECT_EQ(result.error().message, "far enough");
}

// The frames, not the stack, hold the depth; only the stack of the last return matters here.
Task<Result<int>> descend(int depth) {
    if (depth == 0) {
        co_return fail(invalid("bottom"));
    }
    const int below = co_await or_return(co_await descend(depth - 1));
    co_return below + 1;
}
TEST(Task, an_error_comes_up_through_a_hundred_thousand_callers) {
    EXPECT_EQ(make_reactor()->block_on(descend(100'000)).error().message, "bottom");
}

Task<void> set(bool& began) {
    began = true;
    co_return;
}
TEST(Task, does_not_begin_before_it_is_awaited) {
    bool began = false;
    {
        const Task<void> task = set(began);
    }
    EXPECT_FALSE(began);
}

Task<void> take(std::shared_ptr<int> value) {
    ++*value;
    co_return;
}
TEST(Task, destroyed_before_it_begins_destroys_its_parameters) {
    const auto value = std::make_shared<int>(0);
    {
        const Task<void> task = take(value);
        EXPECT_EQ(value.use_count(), 2);
    }
    EXPECT_EQ(value.use_count(), 1);
    EXPECT_EQ(*value, 0);
}
TEST(Task, moved_over_another_keeps_both_frames_sound) {
    const auto first = std::make_shared<int>(0);
    const auto second = std::make_shared<int>(0);
    const auto reactor = make_reactor();
    Task<void> task = take(first);
    task = take(second);
    reactor->block_on(std::move(task));
    EXPECT_EQ(*first, 0);
    EXPECT_EQ(*second, 1);
}

Task<int> with_local(std::vector<std::string>& log) {
    const Mark mark(log, "local");
    co_return 1;
}
Task<void> note_after_child(std::vector<std::string>& log) {
    Task<int> child = with_local(log);
    co_await std::move(child);
    log.emplace_back("after");
}
TEST(Task, locals_are_gone_before_the_caller_goes_on) {
    std::vector<std::string> log;
    make_reactor()->block_on(note_after_child(log));
    EXPECT_EQ(log, (std::vector<std::string>{"~local", "after"}));
}

Task<Result<void>> fail_with_local(std::vector<std::string>& log) {
    const Mark outer(log, "outer");
    for (int round = 0; round < 2; ++round) {
        const Mark inner(log, "inner");
        Result<void> result;
        if (round == 1) {
            result = fail(invalid("second round"));
        }
        co_await or_return(std::move(result));
    }
    log.emplace_back("not reached");
    co_return {};
}
Task<void> note_after_failure(std::vector<std::string>& log) {
    Task<Result<void>> child = fail_with_local(log);
    const Result<void> result = co_await std::move(child);
    log.push_back(result.error().message);
}
TEST(Task, or_return_destroys_locals_in_order_before_the_caller_goes_on) {
    std::vector<std::string> log;
    make_reactor()->block_on(note_after_failure(log));
    EXPECT_EQ(log, (std::vector<std::string>{"~inner", "~inner", "~outer", "second round"}));
}

Task<Result<std::unique_ptr<int>>> make_owned(int value) {
    co_return std::make_unique<int>(value);
}
Task<Result<std::unique_ptr<int>>> pass_owned() {
    std::unique_ptr<int> owned = co_await or_return(co_await make_owned(5));
    co_return owned;
}
TEST(Task, carries_what_can_only_be_moved) {
    EXPECT_EQ(**make_reactor()->block_on(pass_owned()), 5);
}

Task<void> throw_something() {
    throw 1;
    co_return;
}
TEST(TaskDeathTest, an_exception_ends_the_program) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(make_reactor()->block_on(throw_something()), "");
}

}  // namespace
}  // namespace lazybuild::io
