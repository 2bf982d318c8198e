// SPDX-License-Identifier: Apache-2.0
#include "codec/ordered_jobs.h"

#include <gtest/gtest.h>

#include <semaphore>
#include <thread>
#include <vector>

#include "snapshotter/io/pool.h"

namespace lazybuild::codec {
namespace {

TEST(OrderedJobs, gives_results_in_the_order_of_the_jobs) {
    io::Pool workers(4);
    OrderedJobs<int> jobs(workers);
    for (int i = 0; i < 1000; ++i) {
        jobs.submit([i] {
            if (i % 7 == 0) {
                std::this_thread::yield();
            }
            return i;
        });
    }
    for (int i = 0; i < 1000; ++i) {
        ASSERT_EQ(jobs.take(), i);
    }
    EXPECT_EQ(jobs.size(), 0U);
}

TEST(OrderedJobs, makes_itself_what_no_worker_has_begun) {
    std::binary_semaphore go_on(0);
    io::Pool workers(1);
    workers.submit([&go_on] { go_on.acquire(); });  // the only worker is busy
    OrderedJobs<int> jobs(workers);
    jobs.submit([] { return 1; });
    EXPECT_EQ(jobs.take(), 1);
    go_on.release();
}

TEST(OrderedJobs, may_be_given_up) {
    io::Pool workers(2);
    for (int round = 0; round < 100; ++round) {
        std::vector<int> used(1000, round);
        OrderedJobs<int> jobs(workers);
        for (int i = 0; i < 20; ++i) {
            jobs.submit([&used] { return used.back(); });
        }
    }
}

}  // namespace
}  // namespace lazybuild::codec
