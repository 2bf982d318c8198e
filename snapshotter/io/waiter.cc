// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/waiter.h"

#include <fmt/format.h>

#include <cerrno>

#include "base/assert.h"
#include "snapshotter/io/reactor.h"

namespace lazybuild::io {
namespace {

template <class Hook>
void unlink(Hook& hook) {
    if (hook.is_linked()) {
        hook.unlink();
    }
}

}  // namespace

Waiter::~Waiter() {
    // A coroutine that waits is never destroyed (task.h), so this is a bug of this folder.
    ASSERT(!waiting_);
}

int Waiter::over_already() const {
    if (reactor_.stopping() || wait_.cancel.cancelled()) {
        return ECANCELED;
    }
    if (wait_.deadline != kNoDeadline && wait_.deadline <= Clock::now()) {
        return ETIMEDOUT;
    }
    return 0;
}

bool Waiter::begin(std::coroutine_handle<> awaiting) {
    ASSERT(reactor_.on_thread() && !waiting_);
    awaiting_ = awaiting;
    early_end_ = over_already();
    if (early_end_ != 0) {
        // Through the queue, not at once: a task that tries again and again must not keep the loop
        // from its other tasks.
        reactor_.schedule(awaiting_);
        return false;
    }
    waiting_ = true;
    reactor_.waiters().add(*this);
    if (wait_.cancel.state_ != nullptr) {
        wait_.cancel.state_->waiters.push_back(*this);
    }
    return true;
}

void Waiter::finish() {
    ASSERT(waiting_);
    waiting_ = false;
    leave_lists();
    reactor_.schedule(awaiting_);
}

void Waiter::end_early(int error_number) {
    ASSERT(reactor_.on_thread() && waiting_ && early_end_ == 0);
    early_end_ = error_number;
    leave_lists();
    give_up();
}

void Waiter::leave_lists() {
    unlink(reactor_hook);
    unlink(cancel_hook);
    unlink(queue_hook);
    unlink(timer_hook);
}

void WaiterRegistry::add(Waiter& waiter) {
    all_.push_back(waiter);
    if (waiter.deadline() != kNoDeadline) {
        timers_.insert(waiter);  // behind its equals
    }
}

void WaiterRegistry::end_expired() {
    if (timers_.empty()) {
        return;
    }
    const Deadline now = Clock::now();
    while (!timers_.empty() && timers_.begin()->deadline() <= now) {
        timers_.begin()->end_early(ETIMEDOUT);
    }
}

void WaiterRegistry::end_all() {
    while (!all_.empty()) {
        all_.front().end_early(ECANCELED);
    }
}

Deadline WaiterRegistry::next_deadline() const {
    return timers_.empty() ? kNoDeadline : timers_.begin()->deadline();
}

void QueueWaiter::await_suspend(std::coroutine_handle<> awaiting) {
    if (begin(awaiting)) {
        ASSERT(!ready_);
        queue_.push_back(*this);
    }
}

void QueueWaiter::wake_first(WaiterQueue& queue) {
    static_cast<QueueWaiter&>(queue.front()).finish();
}

void QueueWaiter::give_up() {
    finish();
}

Error wait_error(std::string_view what, int error_number) {
    switch (error_number) {
        case ETIMEDOUT:
            return Error{.code = std::errc::timed_out,
                         .message = fmt::format("{}: timed out", what)};
        case ECANCELED:
            return Error{.code = std::errc::operation_canceled,
                         .message = fmt::format("{}: cancelled", what)};
        default: return errno_error(what, error_number);
    }
}

}  // namespace lazybuild::io
