// SPDX-License-Identifier: Apache-2.0
// The loop. Each round: what other threads posted, then the waits whose deadline has passed, then
// the coroutines that are ready, then the kernel. Completions, timers, cancels and events do
// nothing but put coroutines in the ready queue; only run_ready resumes any. So no coroutine runs
// inside another, or inside a call of an event's set() or a source's cancel().
#include "snapshotter/io/reactor.h"

#include <algorithm>
#include <cstdlib>

#include "base/assert.h"
#include "base/log.h"
#include "snapshotter/io/uring_backend.h"
#include "snapshotter/io/waiter.h"

namespace lazybuild::io {
namespace {

constexpr std::chrono::seconds kDrainReport{5};
/// Rounds of ready coroutines between two looks at the kernel: each look is a system call.
constexpr unsigned kReadyRoundsMax = 16;

}  // namespace

/// The coroutine at the bottom of every task. Its frame frees itself at its end.
struct RootTask {
    struct promise_type {
        RootTask get_return_object() {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
    std::coroutine_handle<> coroutine;

    static RootTask run(Reactor& reactor, Task<void> task) {
        co_await std::move(task);
        --reactor.tasks_;
    }
};

Result<std::unique_ptr<Reactor>> Reactor::create(ReactorOptions options) {
    if (options.backend == nullptr) {
        TRY(options.backend, create_uring_backend());
    }
    return std::make_unique<Reactor>(std::move(options));
}

Reactor::Reactor(ReactorOptions options)
    : drain_limit_(options.drain_limit),
      backend_(std::move(options.backend)),
      waiters_(std::make_unique<WaiterRegistry>()) {}

Reactor::~Reactor() {
    if (tasks_ > 0) {
        stop();
        run();
    }
}

bool Reactor::on_thread() const {
    return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

void Reactor::claim_thread() {
    ASSERT(!working_);
    if (!on_thread()) {
        ASSERT(thread_.load() == std::thread::id{});
        thread_ = std::this_thread::get_id();
        backend_->start();
    }
}

void Reactor::run() {
    claim_thread();
    work();
    while (!stopping_ || tasks_ > 0) {
        wait_for_work();
        work();
    }
}

void Reactor::stop() {
    const std::lock_guard lock(mutex_);
    stop_requested_ = true;
    wake_locked();
}

void Reactor::post(std::move_only_function<void()> function) {
    const std::lock_guard lock(mutex_);
    ASSERT(posted_.size() < kPostedMax);
    posted_.push_back(std::move(function));
    wake_locked();
}

// Under the mutex, so that the reactor cannot take what was posted, end, and be destroyed while the
// posting thread is still in here.
void Reactor::wake_locked() {
    if (!woken_) {
        woken_ = true;
        backend_->wake();
    }
}

void Reactor::spawn(Task<void> task) {
    if (on_thread()) {
        begin_task(std::move(task));
    } else {
        post([this, task = std::move(task)]() mutable { begin_task(std::move(task)); });
    }
}

void Reactor::begin_task(Task<void> task) {
    ASSERT(tasks_ < kTasksMax);
    ++tasks_;
    schedule(RootTask::run(*this, std::move(task)).coroutine);
}

void Reactor::schedule(std::coroutine_handle<> coroutine) {
    ASSERT(on_thread());
    ready_.push_back(coroutine);
}

void Reactor::work() {
    working_ = true;
    run_posted();
    waiters_->end_expired();
    run_ready();
    working_ = false;
}

void Reactor::run_posted() {
    std::vector<std::move_only_function<void()>> posted;
    bool stop_requested = false;
    {
        const std::lock_guard lock(mutex_);
        posted.swap(posted_);
        stop_requested = stop_requested_;
        woken_ = false;
    }
    for (std::move_only_function<void()>& function : posted) {
        function();
    }
    if (stop_requested && !stopping_) {
        begin_stop();
    }
}

void Reactor::run_ready() {
    for (unsigned round = 0; round < kReadyRoundsMax && !ready_.empty(); ++round) {
        running_.swap(ready_);
        for (const std::coroutine_handle<> coroutine : running_) {
            detail::run_chain(coroutine);
        }
        running_.clear();
    }
}

void Reactor::wait_for_work() {
    check_drain();
    if (!ready_.empty()) {
        backend_->wait(std::nullopt);
        return;
    }
    backend_->wait(std::min({waiters_->next_deadline(), drain_report_, drain_end_}));
}

void Reactor::begin_stop() {
    stopping_ = true;
    drain_report_ = deadline_in(kDrainReport);
    drain_end_ = deadline_in(drain_limit_);
    waiters_->end_all();
}

void Reactor::check_drain() {
    if (!stopping_) {
        return;
    }
    const Deadline now = Clock::now();
    if (now >= drain_end_) {
        log::error("tasks do not end after the reactor was stopped; giving up",
                   {{"tasks", tasks_}});
        std::abort();
    }
    if (now >= drain_report_) {
        log::warning("waiting for tasks to end after the reactor was stopped", {{"tasks", tasks_}});
        drain_report_ = now + kDrainReport;
    }
}

}  // namespace lazybuild::io
