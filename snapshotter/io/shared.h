// SPDX-License-Identifier: Apache-2.0
// One computation that several tasks want: the first starts it, the others join, all get its
// Result.
//
//   auto running = fetches.find(key);                     // std::map<Key, Shared<Bytes>>
//   if (running == fetches.end()) {
//       running = fetches.emplace(key, Shared<Bytes>::start(reactor, fetch(key))).first;
//   }
//   Shared<Bytes> fetch = running->second;                // a copy: the map may change meanwhile
//   Bytes bytes = co_await or_return(co_await fetch.result(wait));
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "base/result.h"
#include "snapshotter/io/event.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/task.h"

namespace lazybuild::io {

/// A handle; copies mean the same computation. T is copied to each who waits: for large values use
/// std::shared_ptr<const …>. Thread: the reactor's.
///
/// The computation runs to its end whoever still waits for it, even nobody; to end it early, give
/// its task a CancelToken of its own.
template <class T>
class Shared {
  public:
    /// Starts `task` on `reactor`.
    static Shared start(Reactor& reactor, Task<Result<T>> task) {
        auto state = std::make_shared<State>(reactor);
        reactor.spawn(run(state, std::move(task)));
        return Shared(std::move(state));
    }

    bool finished() const { return state_->result.has_value(); }

    /// The computation's Result, when it has ended. `wait` ends this waiting only.
    Task<Result<T>> result(Wait wait = {}) const { return result_of(state_, std::move(wait)); }

  private:
    struct State {
        explicit State(Reactor& reactor) : ended(reactor) {}
        Event ended;
        std::optional<Result<T>> result;
    };
    explicit Shared(std::shared_ptr<State> state) : state_(std::move(state)) {}

    static Task<void> run(std::shared_ptr<State> state, Task<Result<T>> task) {
        Result<T> result = co_await std::move(task);
        state->result.emplace(std::move(result));
        state->ended.set();
    }
    static Task<Result<T>> result_of(std::shared_ptr<State> state, Wait wait) {
        co_await or_return(co_await state->ended.wait(std::move(wait)));
        co_return *state->result;
    }

    std::shared_ptr<State> state_;
};

}  // namespace lazybuild::io
