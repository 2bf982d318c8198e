// SPDX-License-Identifier: Apache-2.0
// Several tasks at once, and all of their Results.
//
//   std::vector<Task<Result<Bytes>>> fetches = …;
//   std::vector<Result<Bytes>> parts = co_await when_all(reactor, std::move(fetches));
//
// They run on the one thread of the reactor, so what overlaps is their waiting. All begin at once:
// who needs a bound gives them a Semaphore. An error of one ends none of the others; who wants that
// gives them one CancelSource.
#pragma once

#include <coroutine>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "base/result.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/task.h"

namespace lazybuild::io {

namespace detail {

/// Suspends one coroutine until `count` others have said one_ended(). Nothing ends that early: they
/// refer to its frame.
class Join {
  public:
    Join(Reactor& reactor, std::size_t count) : reactor_(reactor), left_(count) {}
    void one_ended() {
        --left_;
        if (left_ == 0 && awaiting_) {
            reactor_.schedule(awaiting_);
        }
    }
    bool await_ready() const { return left_ == 0; }
    void await_suspend(std::coroutine_handle<> awaiting) { awaiting_ = awaiting; }
    void await_resume() const {}

  private:
    Reactor& reactor_;
    std::size_t left_;
    std::coroutine_handle<> awaiting_;
};

template <class T>
Task<void> join_one(Task<Result<T>> task, std::optional<Result<T>>& slot, Join& join) {
    Result<T> result = co_await std::move(task);
    slot.emplace(std::move(result));
    join.one_ended();
}

}  // namespace detail

/// The Results in the order of `tasks`, when all have ended. Thread: the reactor's.
template <class T>
Task<std::vector<Result<T>>> when_all(Reactor& reactor, std::vector<Task<Result<T>>> tasks) {
    std::vector<std::optional<Result<T>>> slots(tasks.size());
    detail::Join join(reactor, tasks.size());
    for (std::size_t index = 0; index < tasks.size(); ++index) {
        reactor.spawn(detail::join_one(std::move(tasks[index]), slots[index], join));
    }
    co_await join;
    std::vector<Result<T>> results;
    results.reserve(slots.size());
    for (std::optional<Result<T>>& slot : slots) {
        results.push_back(*std::move(slot));
    }
    co_return results;
}

}  // namespace lazybuild::io
