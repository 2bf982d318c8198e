// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/pool.h"

#include "base/assert.h"

namespace lazybuild::io {

Pool::Pool(unsigned threads) {
    ASSERT(threads > 0 && threads <= kPoolThreadsMax);
    threads_.reserve(threads);
    for (unsigned index = 0; index < threads; ++index) {
        threads_.emplace_back([this] { work(); });
    }
}

Pool::~Pool() {
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) {
        thread.join();
    }
}

void Pool::submit(std::move_only_function<void()> job) {
    {
        const std::lock_guard lock(mutex_);
        ASSERT(!closing_ && jobs_.size() < kPoolJobsMax);
        jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
}

void Pool::work() {
    while (true) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return closing_ || !jobs_.empty(); });
        if (jobs_.empty()) {
            return;
        }
        std::move_only_function<void()> job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        job();
    }
}

void detail::PoolAwaiter::await_suspend(std::coroutine_handle<> awaiting) {
    ASSERT(reactor_.on_thread());
    pool_.submit([this, awaiting] {
        job_();
        // The moment it is posted, the coroutine, and this awaiter in it, may be gone.
        Reactor* const reactor = &reactor_;
        reactor->post([reactor, awaiting] { reactor->schedule(awaiting); });
    });
}

}  // namespace lazybuild::io
