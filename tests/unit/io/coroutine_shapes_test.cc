// SPDX-License-Identifier: Apache-2.0
// The shapes of await that this project uses, and that each destroys every object exactly once.
// Compilers have got these wrong (GCC 12 runs some destructors twice and skips the bodies of
// others), so the shapes are compiled and counted under every preset.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "snapshotter/io/task.h"
#include "tests/support/reactor.h"

namespace lazybuild::io {
namespace {

// Counts those alive; also notices a bitwise copy, which leaves `self_` pointing elsewhere.
class Counted {
  public:
    explicit Counted(int value = 0) : value_(value) { ++alive; }
    Counted(const Counted& other) : value_(other.value_) { ++alive; }
    Counted(Counted&& other) noexcept : value_(std::exchange(other.value_, -1)) { ++alive; }
    Counted& operator=(const Counted& other) = default;
    Counted& operator=(Counted&& other) = default;
    ~Counted() {
        EXPECT_EQ(self_.get(), this);
        --alive;
    }
    int value() const { return value_; }
    static inline int alive = 0;

  private:
    struct Self {
        explicit Self(const Counted* owner) : owner_(owner) {}
        Self& operator=(const Self& /*other*/) { return *this; }
        const Counted* get() const { return owner_; }
        const Counted* owner_;
    };
    int value_;
    Self self_{this};
};

struct Aggregate {
    Counted counted;
    std::string text;
};

class CoroutineShapes : public testing::Test {
  protected:
    CoroutineShapes() { Counted::alive = 0; }
    ~CoroutineShapes() override { EXPECT_EQ(Counted::alive, 0); }
    std::unique_ptr<Reactor> reactor = make_reactor();
};

Task<int> value_of(Counted counted) {
    co_return counted.value();
}
Task<Counted> make(int value) {
    co_return Counted(value);
}
Task<int> value_of_aggregate(Aggregate aggregate) {
    co_return aggregate.counted.value() + static_cast<int>(aggregate.text.size());
}
Task<Result<Counted>> make_or_fail(int value) {
    if (value < 0) {
        co_return fail(invalid("negative"));
    }
    co_return Counted(value);
}
Task<Result<void>> check(bool fine) {
    if (!fine) {
        co_return fail(invalid("not fine"));
    }
    co_return {};
}

Task<int> await_into_a_name() {
    const Counted local(1);
    const int value = co_await value_of(Counted(41));
    co_return value + local.value();
}
TEST_F(CoroutineShapes, result_into_a_name) {
    EXPECT_EQ(reactor->block_on(await_into_a_name()), 42);
}

Task<void> await_as_a_statement(int& sum) {
    const Counted local(1);
    co_await value_of(Counted(2));
    sum += local.value();
}
TEST_F(CoroutineShapes, a_statement_of_its_own) {
    int sum = 0;
    reactor->block_on(await_as_a_statement(sum));
    EXPECT_EQ(sum, 1);
}

Task<Counted> await_and_return() {
    co_return co_await make(7);
}
TEST_F(CoroutineShapes, returned_at_once) {
    EXPECT_EQ(reactor->block_on(await_and_return()).value(), 7);
}

Task<Result<int>> unwrap(int value) {
    const Counted before(1);
    const Counted made = co_await or_return(co_await make_or_fail(value));
    const Counted after(2);
    co_return made.value() + before.value() + after.value();
}
TEST_F(CoroutineShapes, or_return_of_a_value) {
    EXPECT_EQ(reactor->block_on(unwrap(10)).value(), 13);
}
TEST_F(CoroutineShapes, or_return_of_an_error_destroys_the_locals) {
    const Result<int> result = reactor->block_on(unwrap(-1));
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().message, "negative");
}

Task<Result<Counted>> unwrap_in_a_loop(int rounds) {
    Counted sum(0);
    for (int round = 0; round < rounds; ++round) {
        const Counted scoped(round);
        co_await or_return(co_await check(round < 5));
        Counted next = co_await or_return(co_await make_or_fail(sum.value() + scoped.value()));
        sum = std::move(next);
    }
    co_return sum;
}
TEST_F(CoroutineShapes, or_return_in_a_loop) {
    EXPECT_EQ(reactor->block_on(unwrap_in_a_loop(5)).value().value(), 10);
    EXPECT_FALSE(reactor->block_on(unwrap_in_a_loop(6)).has_value());
}

Task<Result<int>> unwrap_what_a_plain_function_says(Result<Counted> plain) {
    const Counted value = co_await or_return(std::move(plain));
    co_return value.value();
}
TEST_F(CoroutineShapes, or_return_of_a_plain_result) {
    EXPECT_EQ(reactor->block_on(unwrap_what_a_plain_function_says(Counted(3))).value(), 3);
    EXPECT_FALSE(
        reactor->block_on(unwrap_what_a_plain_function_says(fail(invalid("no")))).has_value());
}

Task<int> named_aggregate() {
    Aggregate aggregate{.counted = Counted(5), .text = "a text too long for the small buffer"};
    const int value = co_await value_of_aggregate(std::move(aggregate));
    co_return value;
}
TEST_F(CoroutineShapes, a_named_aggregate_moved_in) {
    EXPECT_EQ(reactor->block_on(named_aggregate()), 41);
}

Task<int> name_then_test() {
    const int value = co_await value_of(Counted(1));
    if (value == 1) {
        co_return 10;
    }
    co_return 20;
}
Task<int> only_a_condition_follows() {
    const int first = co_await value_of(Counted(1));
    while (first == 1) {
        const int second = co_await value_of(Counted(2));
        if (second == 2) {
            break;
        }
    }
    const int result = co_await name_then_test();
    co_return result;
}
TEST_F(CoroutineShapes, a_result_named_and_then_tested) {
    EXPECT_EQ(reactor->block_on(only_a_condition_follows()), 10);
}

Task<int> references_and_unique_pointers(const std::vector<Counted>& all) {
    int sum = 0;
    for (const Counted& one : all) {
        auto owned = std::make_unique<Counted>(one);
        const int value = co_await value_of(*owned);
        sum += value;
    }
    co_return sum;
}
TEST_F(CoroutineShapes, references_to_what_outlives_the_coroutine) {
    const std::vector<Counted> all{Counted(1), Counted(2), Counted(3)};
    EXPECT_EQ(reactor->block_on(references_and_unique_pointers(all)), 6);
}

template <class T>
Task<std::optional<T>> generic(T value) {
    std::optional<T> result;
    result.emplace(std::move(value));
    const int dummy = co_await value_of(Counted(1));
    EXPECT_EQ(dummy, 1);
    co_return result;
}
TEST_F(CoroutineShapes, templates) {
    EXPECT_EQ(reactor->block_on(generic(Counted(4)))->value(), 4);
}

Task<int> task_held_for_later() {
    Task<int> first = value_of(Counted(1));
    Task<int> second = value_of(Counted(2));
    Task<int> never = value_of(Counted(4));
    const int of_second = co_await std::move(second);
    const int of_first = co_await std::move(first);
    co_return of_first + of_second;
}
TEST_F(CoroutineShapes, tasks_made_first_and_awaited_later_or_never) {
    EXPECT_EQ(reactor->block_on(task_held_for_later()), 3);
}

}  // namespace
}  // namespace lazybuild::io
