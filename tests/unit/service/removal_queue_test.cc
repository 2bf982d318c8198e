// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/removal_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>
#include <vector>

namespace lazybuild::service {
namespace {

store::SnapshotRecord snapshot(std::uint64_t number) {
    store::SnapshotRecord record;
    record.id = store::SnapshotId{number};
    return record;
}

TEST(RemovalQueue, discards_everything_once_and_drain_waits_for_it) {
    std::mutex mutex;
    std::multiset<store::SnapshotId> discarded;
    RemovalQueue queue([&](const store::SnapshotRecord& removed) {
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
        const std::lock_guard held{mutex};
        discarded.insert(removed.id);
    });
    std::vector<std::jthread> threads;
    for (std::uint64_t thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&queue, thread] {
            for (std::uint64_t number = 0; number < 20; ++number) {
                queue.add(snapshot(thread * 100 + number));
            }
            queue.drain();
        });
    }
    threads.clear();
    EXPECT_EQ(discarded.size(), 80u);
    EXPECT_EQ(std::set<store::SnapshotId>(discarded.begin(), discarded.end()).size(), 80u);
}

TEST(RemovalQueue, add_does_not_wait_for_what_is_being_discarded) {
    std::promise<void> gate;
    std::shared_future<void> open = gate.get_future().share();
    std::atomic<int> discarded = 0;
    RemovalQueue queue([&](const store::SnapshotRecord&) {
        open.wait();
        ++discarded;
    });
    queue.add(snapshot(1));
    queue.add(snapshot(2));
    EXPECT_EQ(discarded, 0);
    gate.set_value();
    queue.drain();
    EXPECT_EQ(discarded, 2);
}

TEST(RemovalQueue, stop_finishes_one_and_leaves_the_rest) {
    std::promise<void> begun;
    std::promise<void> gate;
    std::shared_future<void> open = gate.get_future().share();
    std::atomic<int> discarded = 0;
    RemovalQueue queue([&](const store::SnapshotRecord& removed) {
        if (removed.id == store::SnapshotId{1}) {
            begun.set_value();
        }
        open.wait();
        ++discarded;
    });
    queue.add(snapshot(1));
    begun.get_future().wait();
    queue.add(snapshot(2));
    std::jthread stopping([&queue] { queue.stop(); });
    // The second would be discarded too if stop() waited for it.
    while (queue.waiting() != 0) {
        std::this_thread::yield();
    }
    gate.set_value();
    stopping.join();
    EXPECT_EQ(discarded, 1);
    queue.add(snapshot(3));
    queue.drain();
    EXPECT_EQ(discarded, 1);
}

}  // namespace
}  // namespace lazybuild::service
