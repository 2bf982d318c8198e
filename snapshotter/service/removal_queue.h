// SPDX-License-Identifier: Apache-2.0
// What is left of removed snapshots: their records are gone, their mounts and directories go here,
// one after the other and beside everything else, so that Remove answers at once however much there
// is to unlink. Nothing is written down: a directory without a record is garbage to the next start.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "snapshotter/store/records.h"

namespace lazybuild::service {

class RemovalQueue {
  public:
    using Discard = std::function<void(const store::SnapshotRecord&)>;

    /// `discard` takes away what one removed snapshot has left. It runs on the queue's thread or in
    /// drain(), for several snapshots at one time, and must not throw.
    explicit RemovalQueue(Discard discard);
    RemovalQueue(const RemovalQueue&) = delete;
    RemovalQueue& operator=(const RemovalQueue&) = delete;
    /// As stop().
    ~RemovalQueue();

    /// Threads: any. After stop() it does nothing.
    void add(store::SnapshotRecord removed);

    /// Returns when everything that was added before this call has been discarded, and helps with
    /// it. Threads: any but the queue's own.
    void drain();

    /// How many have been added and are not being discarded yet.
    std::size_t waiting() const;

    /// Finishes what is being discarded, forgets the rest: it is the next start's.
    void stop();

  private:
    bool all_discarded(std::uint64_t last) const;
    void work();
    void discard_first(std::unique_lock<std::mutex>& held);

    const Discard discard_;
    mutable std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::map<std::uint64_t, store::SnapshotRecord> waiting_;  // by number, counted from 1
    std::set<std::uint64_t> under_way_;
    std::uint64_t added_ = 0;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace lazybuild::service
