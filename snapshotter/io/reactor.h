// SPDX-License-Identifier: Apache-2.0
// The reactor: one thread that runs coroutines and, when none can go on, waits for the kernel.
//
// Everything that waits (operations.h, event.h, semaphore.h, …) suspends its coroutine in this
// reactor and is resumed through its ready queue. What the kernel does is behind IoBackend
// (io_backend.h), io_uring being the one in use.
//
// A reactor belongs to the thread that first calls run() or block_on(). The functions that say
// "any thread" may be called elsewhere; all others ASSERT that they are on the reactor's thread.
//
// Stopping: stop() ends every wait with operation_canceled, now and from then on, until all tasks
// have ended by themselves. A task that goes on all the same is reported in the log after
// five seconds and ends the program after ReactorOptions::drain_limit, because its memory could
// neither be freed nor be left behind.
#pragma once

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "snapshotter/io/io_backend.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::io {

class Waiter;
class WaiterRegistry;

/// More tasks, or posted functions, than this at once are a bug in whoever makes them: work is
/// bounded where it is accepted, with a Semaphore.
inline constexpr std::size_t kTasksMax = 1'000'000;
inline constexpr std::size_t kPostedMax = 1'000'000;

struct ReactorOptions {
    /// What does the I/O; null for io_uring. Tests put faults here.
    std::unique_ptr<IoBackend> backend = nullptr;
    /// How long tasks may take to end after stop().
    std::chrono::milliseconds drain_limit{60'000};
};

class Reactor {
  public:
    /// Errors: what the backend says, e.g. that io_uring is not permitted here, and why that may
    /// be.
    static Result<std::unique_ptr<Reactor>> create(ReactorOptions options = {});
    /// For create(): `options.backend` is not null.
    explicit Reactor(ReactorOptions options);
    Reactor(const Reactor&) = delete;
    Reactor& operator=(const Reactor&) = delete;
    /// Tasks that have not ended are stopped and waited for as after stop(); then, this must be the
    /// reactor's thread. Posted functions and tasks that have not begun are destroyed.
    ~Reactor();

    /// Runs tasks until stop(), then until all have ended.
    void run();
    /// Asks run() to end. Threads: any. For good: there is no second run.
    void stop();

    /// Runs `function` on the reactor's thread, in order of posting. Threads: any.
    void post(std::move_only_function<void()> function);
    /// Starts `task`, which lives until it ends. Threads: any.
    void spawn(Task<void> task);
    /// Runs `task` to its end on this thread, and spawned tasks as far as they get meanwhile. For
    /// programs and tests; not from within a coroutine.
    template <class T>
    T block_on(Task<T> task);

    bool on_thread() const;

    // The rest is for what is awaited.

    /// Resumes `coroutine` in one of the next turns of the loop. The queue is first in, first out.
    void schedule(std::coroutine_handle<> coroutine);
    bool stopping() const { return stopping_; }
    IoBackend& backend() { return *backend_; }
    WaiterRegistry& waiters() { return *waiters_; }

  private:
    void claim_thread();
    void begin_task(Task<void> task);
    void work();
    void wait_for_work();
    void run_posted();
    void run_ready();
    void begin_stop();
    void check_drain();
    void wake_locked();
    template <class T, class Kept>
    static Task<void> keep_value(Task<T> task, std::optional<Kept>& kept);
    friend struct RootTask;

    const std::chrono::milliseconds drain_limit_;
    std::unique_ptr<IoBackend> backend_;
    std::unique_ptr<WaiterRegistry> waiters_;
    std::atomic<std::thread::id> thread_;
    std::vector<std::coroutine_handle<>> ready_;
    std::vector<std::coroutine_handle<>> running_;
    std::size_t tasks_ = 0;
    bool working_ = false;
    bool stopping_ = false;
    Deadline drain_report_ = kNoDeadline;
    Deadline drain_end_ = kNoDeadline;

    std::mutex mutex_;  // guards what follows
    std::vector<std::move_only_function<void()>> posted_;
    bool stop_requested_ = false;
    bool woken_ = false;
};

template <class T, class Kept>
Task<void> Reactor::keep_value(Task<T> task, std::optional<Kept>& kept) {
    if constexpr (std::is_void_v<T>) {
        co_await std::move(task);
        kept.emplace();
    } else {
        T value = co_await std::move(task);
        kept.emplace(std::move(value));
    }
}

template <class T>
T Reactor::block_on(Task<T> task) {
    std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> kept;
    claim_thread();
    begin_task(keep_value(std::move(task), kept));
    work();
    while (!kept.has_value()) {
        wait_for_work();
        work();
    }
    if constexpr (!std::is_void_v<T>) {
        return *std::move(kept);
    }
}

}  // namespace lazybuild::io
