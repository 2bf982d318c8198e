// SPDX-License-Identifier: Apache-2.0
#include "codec/strand.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

namespace lazybuild::codec {

struct Strand::State {
    std::mutex mutex;  // guards what follows
    std::condition_variable idle;
    std::deque<std::move_only_function<void()>> jobs;
    bool asked = false;    // for a worker, which has not come yet
    bool running = false;  // some thread is in drain()

    /// `lock` is held, and nobody else is here.
    void drain(std::unique_lock<std::mutex>& lock) {
        running = true;
        while (!jobs.empty()) {
            std::move_only_function<void()> job = std::move(jobs.front());
            jobs.pop_front();
            lock.unlock();
            job();
            job = nullptr;
            lock.lock();
        }
        running = false;
        idle.notify_all();
    }
};

Strand::Strand(Workers& workers) : workers_(workers), state_(std::make_shared<State>()) {}

Strand::~Strand() {
    wait();
}

void Strand::post(std::move_only_function<void()> job) {
    {
        const std::lock_guard lock(state_->mutex);
        state_->jobs.push_back(std::move(job));
        if (state_->running || std::exchange(state_->asked, true)) {
            return;
        }
    }
    workers_.submit([state = state_] {
        std::unique_lock lock(state->mutex);
        state->asked = false;
        if (!state->running) {
            state->drain(lock);
        }
    });
}

void Strand::wait() {
    std::unique_lock lock(state_->mutex);
    state_->idle.wait(lock, [this] { return !state_->running; });
    state_->drain(lock);
}

}  // namespace lazybuild::codec
