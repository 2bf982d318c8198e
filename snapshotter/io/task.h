// SPDX-License-Identifier: Apache-2.0
// Task<T>: a coroutine that has not begun yet, and what it will return.
//
// A Task is lazy, move-only and awaited once: `auto value = co_await read_page(reactor, 3);`.
// Inside a Task<Result<T>>, `co_await or_return(result)` unwraps a Result or ends the coroutine
// with its Error, as TRY does in a plain function.
//
// How a coroutine reaches its caller again: never by symmetric transfer, which overflows the stack
// wherever the compiler makes no tail calls (-O0, AddressSanitizer). Awaiting a task and finishing
// one only name the coroutine that comes next; detail::run_chain resumes one after the other from
// one stack frame. Two million awaits that never wait cost no more stack than one.
//
// Lifetime: a Task that was never awaited may be destroyed anywhere, at any time. One that is being
// awaited belongs to the awaiting expression, and from then on runs to its end: nothing destroys
// a coroutine that waits. So buffers and locals that an operation in the kernel refers to outlive
// it by construction, and cancelling means asking the operation to end (wait.h), not destroying.
// The frame, with its parameters and locals, is gone before co_await yields the value.
//
// Threads: a coroutine runs on the thread of the reactor that it was spawned on, always.
// Exceptions: none may leave a coroutine; one that does ends the program.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/assert.h"
#include "base/result.h"

namespace lazybuild::io {

template <class T = void>
class [[nodiscard]] Task;

namespace detail {

/// Names the coroutine that runs when the running one has suspended. At most once per suspension.
void hand_over_to(std::coroutine_handle<> next);

/// Resumes `first`, then whatever it hands over to, until nobody is named. Not reentrant.
void run_chain(std::coroutine_handle<> first);

/// At the end of a task: the coroutine that awaited it is next.
struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> self) noexcept {
        hand_over_to(self.promise().awaiting());
    }
    void await_resume() noexcept {}
};

template <class U>
struct OrReturn {
    explicit OrReturn(Result<U>&& from) : result(std::move(from)) {}
    Result<U> result;
};

/// Yields the value, or ends the coroutine `Promise` belongs to with the Error, never resuming it.
template <class U, class Promise>
class OrReturnAwaiter {
  public:
    explicit OrReturnAwaiter(Result<U>&& result) : result_(std::move(result)) {}
    bool await_ready() const noexcept { return result_.has_value(); }
    void await_suspend(std::coroutine_handle<Promise> self) {
        self.promise().return_value(std::unexpected(std::move(result_).error()));
        hand_over_to(self.promise().awaiting());
    }
    U await_resume() {
        if constexpr (!std::is_void_v<U>) {
            return *std::move(result_);
        }
    }

  private:
    Result<U> result_;
};

template <class T>
inline constexpr bool kIsResult = false;
template <class T>
inline constexpr bool kIsResult<Result<T>> = true;

template <class T, class Derived>
class PromiseBase {
  public:
    std::suspend_always initial_suspend() noexcept { return {}; }
    FinalAwaiter final_suspend() noexcept { return {}; }
    void unhandled_exception() noexcept { std::terminate(); }

    template <class U>
    OrReturnAwaiter<U, Derived> await_transform(OrReturn<U>&& operand) {
        static_assert(kIsResult<T>, "or_return needs a coroutine that returns Task<Result<…>>");
        return OrReturnAwaiter<U, Derived>(std::move(operand.result));
    }
    template <class Awaitable>
    Awaitable&& await_transform(Awaitable&& awaitable) noexcept {
        return std::forward<Awaitable>(awaitable);
    }

    void set_awaiting(std::coroutine_handle<> awaiting) { awaiting_ = awaiting; }
    std::coroutine_handle<> awaiting() const noexcept { return awaiting_; }

  private:
    friend Derived;
    PromiseBase() = default;
    std::coroutine_handle<> awaiting_;
};

template <class T>
class Promise : public PromiseBase<T, Promise<T>> {
  public:
    Task<T> get_return_object() noexcept;
    template <class Value = T>
    void return_value(Value&& value) {
        value_.emplace(std::forward<Value>(value));
    }
    T take() {
        ASSERT(value_.has_value());
        return *std::move(value_);
    }

  private:
    std::optional<T> value_;
};

template <>
class Promise<void> : public PromiseBase<void, Promise<void>> {
  public:
    Task<void> get_return_object() noexcept;
    void return_void() noexcept {}
    void take() {}
};

/// Owns the awaited coroutine, starts it, and destroys it before the awaiting one goes on.
template <class T>
class TaskAwaiter {
  public:
    explicit TaskAwaiter(std::coroutine_handle<Promise<T>> task) : task_(task) {}
    TaskAwaiter(const TaskAwaiter&) = delete;
    TaskAwaiter& operator=(const TaskAwaiter&) = delete;
    ~TaskAwaiter() { destroy(); }

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> awaiting) {
        task_.promise().set_awaiting(awaiting);
        hand_over_to(task_);
    }
    T await_resume() {
        if constexpr (std::is_void_v<T>) {
            destroy();
        } else {
            T value = task_.promise().take();
            destroy();
            return value;
        }
    }

  private:
    void destroy() {
        if (task_) {
            std::exchange(task_, {}).destroy();
        }
    }
    std::coroutine_handle<Promise<T>> task_;
};

}  // namespace detail

/// See the top of this file.
template <class T>
class [[nodiscard]] Task {
  public:
    using promise_type = detail::Promise<T>;
    using value_type = T;

    Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, {})) {}
    Task& operator=(Task&& other) noexcept {
        std::swap(coroutine_, other.coroutine_);
        return *this;
    }
    ~Task() {
        if (coroutine_) {
            coroutine_.destroy();
        }
    }

    /// `co_await f()` or `co_await std::move(task)`. Only inside another coroutine of a reactor.
    detail::TaskAwaiter<T> operator co_await() && {
        ASSERT(coroutine_);
        return detail::TaskAwaiter<T>(std::exchange(coroutine_, {}));
    }

  private:
    friend promise_type;
    explicit Task(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}
    std::coroutine_handle<promise_type> coroutine_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() noexcept {
    return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() noexcept {
    return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

/// In a Task<Result<T>>: `auto value = co_await or_return(co_await fetch(x));` or
/// `co_await or_return(check(x));`. On an Error the coroutine ends there: its locals are destroyed
/// and its caller gets the Error.
template <class U>
[[nodiscard]] detail::OrReturn<U> or_return(Result<U>&& result) {
    return detail::OrReturn<U>(std::move(result));
}

}  // namespace lazybuild::io
