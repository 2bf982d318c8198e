// SPDX-License-Identifier: Apache-2.0
#include "codec/strand.h"

#include <gtest/gtest.h>

#include <vector>

#include "snapshotter/io/pool.h"

namespace lazybuild::codec {
namespace {

TEST(Strand, runs_its_jobs_one_at_a_time_and_in_order) {
    io::Pool workers(4);
    std::vector<int> order;  // nothing guards it: the strand does
    std::vector<int> expected;
    {
        Strand strand(workers);
        for (int i = 0; i < 10'000; ++i) {
            strand.post([&order, i] { order.push_back(i); });
            expected.push_back(i);
        }
    }
    EXPECT_EQ(order, expected);
}

TEST(Strand, has_run_all_when_waiting_ends) {
    io::Pool workers(2);
    Strand strand(workers);
    int runs = 0;
    for (int round = 1; round < 1000; ++round) {
        strand.post([&runs] { ++runs; });
        strand.wait();
        EXPECT_EQ(runs, round);
    }
}

}  // namespace
}  // namespace lazybuild::codec
