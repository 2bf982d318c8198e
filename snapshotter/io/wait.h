// SPDX-License-Identifier: Apache-2.0
// How long to wait, and who may end the wait early. Every operation that can wait takes a Wait.
//
//   Wait wait{.deadline = deadline_in(5s), .cancel = source.token()};
//   auto size_bytes = co_await or_return(co_await recv(reactor, socket.get(), buffer, wait));
//
// A wait that ends early gives std::errc::timed_out or std::errc::operation_canceled; one that is
// over before it begins (deadline passed, token cancelled) does nothing else. An operation that
// completes while it is being ended gives its result, so that no bytes are lost.
// When the reactor stops, every wait on it ends with operation_canceled.
#pragma once

#include <chrono>
#include <memory>

namespace lazybuild::io {

using Clock = std::chrono::steady_clock;
/// A moment, not a duration: it stays true when an operation is made of several.
using Deadline = Clock::time_point;
inline constexpr Deadline kNoDeadline = Deadline::max();

/// The moment `duration` from now.
inline Deadline deadline_in(Clock::duration duration) {
    return Clock::now() + duration;
}

class CancelState;

/// Tells operations that nobody wants them any more. Copies mean the same source. An empty token
/// (the default) is never cancelled. Its waits belong to one reactor's thread.
class CancelToken {
  public:
    CancelToken() = default;

    /// Whether the source was cancelled. Threads: any.
    bool cancelled() const;

  private:
    friend class CancelSource;
    friend class Waiter;
    explicit CancelToken(std::shared_ptr<CancelState> state) : state_(std::move(state)) {}
    std::shared_ptr<CancelState> state_;
};

/// The other end of a token. Destroying it does not cancel.
class CancelSource {
  public:
    CancelSource();

    CancelToken token() const { return CancelToken(state_); }
    /// Ends every wait that has this source's token, now and from now on. Nothing is resumed before
    /// the running coroutine waits. Thread: the reactor's; elsewhere use Reactor::post.
    void cancel();
    bool cancelled() const { return token().cancelled(); }

  private:
    std::shared_ptr<CancelState> state_;
};

/// The default waits until the operation completes or the reactor stops.
struct Wait {
    Deadline deadline = kNoDeadline;
    CancelToken cancel = {};
};

}  // namespace lazybuild::io
