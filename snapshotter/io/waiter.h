// SPDX-License-Identifier: Apache-2.0
// What a coroutine is suspended on: the common part of every operation, which knows the ways a wait
// can end early. Deadlines are timers of the reactor, not of the kernel, so that one mechanism
// serves sockets, events, semaphores and sleeping, whatever the backend.
//
// A Waiter lives in the frame of the awaiting coroutine and hangs in up to three lists: all waiters
// of the reactor (for stop), those with a deadline, those of a cancel source. It leaves all of them
// the moment it ends, early or not; so it ends once.
//
// For the folder itself; users see Task and Result.
#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <coroutine>
#include <string_view>

#include "base/error.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::io {

class Reactor;

class Waiter {
  public:
    using ListHook = boost::intrusive::list_member_hook<
        boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
    using SetHook = boost::intrusive::set_member_hook<
        boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    /// Ends the wait with `error_number` (ETIMEDOUT, ECANCELED): now, or when the kernel lets go.
    void end_early(int error_number);

    ListHook reactor_hook;
    ListHook cancel_hook;
    ListHook queue_hook;  ///< for the object that is waited for, if it keeps a queue
    SetHook timer_hook;
    Deadline deadline() const { return wait_.deadline; }

  protected:
    Waiter(Reactor& reactor, const Wait& wait) : reactor_(reactor), wait_(wait) {}
    ~Waiter();

    /// Why this wait is over before it begins: ETIMEDOUT, ECANCELED, or 0 when it is not.
    int over_already() const;
    /// Suspends `awaiting`. False when the wait is over already: it has been scheduled again, and
    /// early_end() says why.
    bool begin(std::coroutine_handle<> awaiting);
    /// The wait ends: `awaiting` is scheduled.
    void finish();
    /// Called once, by end_early: see to it that finish() is called, now or soon.
    virtual void give_up() = 0;
    /// Why the wait ended early, or was asked to: ETIMEDOUT, ECANCELED, or 0.
    int early_end() const { return early_end_; }

    Reactor& reactor_;

  private:
    void leave_lists();
    Wait wait_;
    std::coroutine_handle<> awaiting_;
    bool waiting_ = false;
    int early_end_ = 0;
};

/// What a CancelSource and its tokens share.
class CancelState {
  public:
    using Waiters = boost::intrusive::list<
        Waiter, boost::intrusive::member_hook<Waiter, Waiter::ListHook, &Waiter::cancel_hook>,
        boost::intrusive::constant_time_size<false>>;
    std::atomic<bool> cancelled = false;
    Waiters waiters;
};

/// A queue of waiters, first in, first out, of the object that they wait for.
using WaiterQueue = boost::intrusive::list<
    Waiter, boost::intrusive::member_hook<Waiter, Waiter::ListHook, &Waiter::queue_hook>,
    boost::intrusive::constant_time_size<false>>;

/// All waiters of one reactor.
class WaiterRegistry {
  public:
    void add(Waiter& waiter);
    /// Ends those whose deadline has passed, earliest first; equal ones in the order they began.
    void end_expired();
    /// Ends all, because the reactor stops.
    void end_all();
    /// The earliest deadline; kNoDeadline when there is none.
    Deadline next_deadline() const;

  private:
    struct ByDeadline {
        bool operator()(const Waiter& a, const Waiter& b) const {
            return a.deadline() < b.deadline();
        }
    };
    using All = boost::intrusive::list<
        Waiter, boost::intrusive::member_hook<Waiter, Waiter::ListHook, &Waiter::reactor_hook>,
        boost::intrusive::constant_time_size<false>>;
    using Timers = boost::intrusive::multiset<
        Waiter, boost::intrusive::member_hook<Waiter, Waiter::SetHook, &Waiter::timer_hook>,
        boost::intrusive::compare<ByDeadline>, boost::intrusive::constant_time_size<false>>;
    All all_;
    Timers timers_;
};

/// Suspends in a WaiterQueue until the queue's owner wakes it. Yields 0, ETIMEDOUT or ECANCELED.
class QueueWaiter final : public Waiter {
  public:
    /// `ready`: nothing to wait for, unless the wait is over already.
    QueueWaiter(Reactor& reactor, WaiterQueue& queue, const Wait& wait, bool ready)
        : Waiter(reactor, wait), queue_(queue), ready_(ready) {}

    bool await_ready() const { return ready_ && over_already() == 0; }
    void await_suspend(std::coroutine_handle<> awaiting);
    int await_resume() const { return early_end(); }

    /// Ends the wait of the first in `queue` with success.
    static void wake_first(WaiterQueue& queue);

  private:
    void give_up() override;
    WaiterQueue& queue_;
    bool ready_;
};

/// What went wrong while waiting for `what`: "receive: timed out".
Error wait_error(std::string_view what, int error_number);

}  // namespace lazybuild::io
