// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/removal_queue.h"

#include <utility>

namespace lazybuild::service {

RemovalQueue::RemovalQueue(Discard discard)
    : discard_(std::move(discard)), thread_([this] { work(); }) {}

RemovalQueue::~RemovalQueue() {
    stop();
}

void RemovalQueue::add(store::SnapshotRecord removed) {
    {
        const std::lock_guard held{mutex_};
        if (stopping_) {
            return;
        }
        waiting_.emplace(++added_, std::move(removed));
    }
    changed_.notify_all();
}

void RemovalQueue::drain() {
    std::unique_lock held{mutex_};
    const std::uint64_t last = added_;
    while (!waiting_.empty() && waiting_.begin()->first <= last) {
        discard_first(held);
    }
    changed_.wait(held, [this, last] { return stopping_ || all_discarded(last); });
}

bool RemovalQueue::all_discarded(std::uint64_t last) const {
    return under_way_.empty() || *under_way_.begin() > last;
}

std::size_t RemovalQueue::waiting() const {
    const std::lock_guard held{mutex_};
    return waiting_.size();
}

void RemovalQueue::stop() {
    {
        const std::lock_guard held{mutex_};
        stopping_ = true;
        waiting_.clear();
    }
    changed_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void RemovalQueue::work() {
    std::unique_lock held{mutex_};
    while (true) {
        changed_.wait(held, [this] { return stopping_ || !waiting_.empty(); });
        if (stopping_) {
            return;
        }
        discard_first(held);
    }
}

void RemovalQueue::discard_first(std::unique_lock<std::mutex>& held) {
    auto first = waiting_.extract(waiting_.begin());
    under_way_.insert(first.key());
    held.unlock();
    discard_(first.mapped());
    held.lock();
    under_way_.erase(first.key());
    changed_.notify_all();
}

}  // namespace lazybuild::service
