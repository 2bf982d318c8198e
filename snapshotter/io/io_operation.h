// SPDX-License-Identifier: Apache-2.0
// One request to the backend as something to await. It hides what no caller wants to see: EINTR is
// asked again, and EAGAIN (a non-blocking descriptor) waits until the descriptor is ready, then
// asks again.
//
// For the folder itself; operations.h is made of it.
#pragma once

#include <coroutine>
#include <cstdint>

#include "snapshotter/io/io_backend.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/waiter.h"

namespace lazybuild::io {

/// `const int moved = co_await IoOperation(reactor, request, wait);` yields what
/// IoCompletion::complete gets, with -ETIMEDOUT or -ECANCELED when the wait ended early.
class IoOperation final : public Waiter, private IoCompletion {
  public:
    IoOperation(Reactor& reactor, const IoRequest& request, const Wait& wait)
        : Waiter(reactor, wait), request_(request) {}

    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> awaiting);
    int await_resume() const;

  private:
    void give_up() override;
    void complete(std::int32_t result) override;

    const IoRequest request_;
    bool polling_ = false;
    std::int32_t result_ = -ECANCELED;
};

}  // namespace lazybuild::io
