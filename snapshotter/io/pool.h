// SPDX-License-Identifier: Apache-2.0
// A fixed number of threads for what computes or blocks: digests, inflating, SQLite, mount(2).
//
//   auto job = [&] { return codec::Sha256::of(bytes); };
//   codec::Digest digest = co_await run_on(pool, reactor, std::move(job));
#pragma once

#include <condition_variable>
#include <coroutine>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/workers.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/task.h"

namespace lazybuild::io {

/// More threads than this are a mistake in a configuration.
inline constexpr unsigned kPoolThreadsMax = 256;
/// More queued jobs than this are a bug: work is bounded where it is accepted.
inline constexpr std::size_t kPoolJobsMax = 1'000'000;

class Pool final : public Workers {
  public:
    /// `threads`: 1 to kPoolThreadsMax.
    explicit Pool(unsigned threads);
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    /// Finishes the queued jobs, then joins.
    ~Pool() override;

    /// Runs `job` on one of the threads, in order of submission. It must not throw. Threads: any.
    void submit(std::move_only_function<void()> job) override;

  private:
    void work();

    std::mutex mutex_;  // guards jobs_ and closing_
    std::condition_variable changed_;
    std::deque<std::move_only_function<void()>> jobs_;
    bool closing_ = false;
    std::vector<std::thread> threads_;
};

namespace detail {

/// Suspends until `job` has run on the pool. Not ended early by anything: the job refers to the
/// frame that waits.
class PoolAwaiter {
  public:
    PoolAwaiter(Pool& pool, Reactor& reactor, std::move_only_function<void()> job)
        : pool_(pool), reactor_(reactor), job_(std::move(job)) {}
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> awaiting);
    void await_resume() const {}

  private:
    Pool& pool_;
    Reactor& reactor_;
    std::move_only_function<void()> job_;
};

}  // namespace detail

/// Runs `job` on a thread of `pool`, and goes on here, on the reactor's thread, with what it
/// returned. No wait ends a job early: one that may take long looks at a CancelToken itself.
template <class Job>
Task<std::invoke_result_t<Job&>> run_on(Pool& pool, Reactor& reactor, Job job) {
    using Value = std::invoke_result_t<Job&>;
    if constexpr (std::is_void_v<Value>) {
        co_await detail::PoolAwaiter(pool, reactor, std::move(job));
    } else {
        std::optional<Value> value;
        auto keep_value = [&value, &job] { value.emplace(job()); };
        co_await detail::PoolAwaiter(pool, reactor, std::move(keep_value));
        co_return *std::move(value);
    }
}

}  // namespace lazybuild::io
