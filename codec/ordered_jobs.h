// SPDX-License-Identifier: Apache-2.0
// Jobs that run side by side, whose results are taken in the order in which the jobs were given:
// how a stream is cut into pieces that several threads work on.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "base/workers.h"

namespace lazybuild::codec {

/// Threads: one caller at a time, any, also one of the workers: a result that no worker has begun
/// to make is made by who wants it.
template <class T>
class OrderedJobs {
  public:
    /// `workers` outlives it.
    explicit OrderedJobs(Workers& workers) : workers_(workers) {}
    OrderedJobs(const OrderedJobs&) = delete;
    OrderedJobs& operator=(const OrderedJobs&) = delete;
    /// Jobs that nobody has begun are dropped, the others waited for.
    ~OrderedJobs() {
        for (const std::shared_ptr<Job>& job : jobs_) {
            if (job->taken.exchange(true)) {
                job->wait();
            }
        }
    }

    void submit(std::move_only_function<T()> work) {
        auto job = std::make_shared<Job>(std::move(work));
        jobs_.push_back(job);
        workers_.submit([job] {
            if (!job->taken.exchange(true)) {
                job->run();
            }
        });
    }

    /// Jobs whose results have not been taken.
    std::size_t size() const { return jobs_.size(); }

    /// The result of the oldest job; there is one.
    T take() {
        const std::shared_ptr<Job> job = std::move(jobs_.front());
        jobs_.pop_front();
        if (job->taken.exchange(true)) {
            job->wait();
        } else {
            job->run();
        }
        return *std::move(job->result);
    }

  private:
    struct Job {
        explicit Job(std::move_only_function<T()> of) : work(std::move(of)) {}

        void run() {
            result.emplace(work());
            work = nullptr;
            const std::lock_guard lock(mutex);
            done = true;
            changed.notify_all();
        }
        void wait() {
            std::unique_lock lock(mutex);
            changed.wait(lock, [this] { return done; });
        }

        std::move_only_function<T()> work;
        std::optional<T> result;
        std::atomic<bool> taken = false;
        std::mutex mutex;  // guards done
        std::condition_variable changed;
        bool done = false;
    };

    Workers& workers_;
    std::deque<std::shared_ptr<Job>> jobs_;
};

}  // namespace lazybuild::codec
