// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/database.h"

#include <gtest/gtest.h>

#include <latch>
#include <thread>
#include <vector>

#include "tests/support/temp_dir.h"

namespace lazybuild::store {
namespace {

TEST(DatabaseTest, a_new_one_may_be_opened_by_many_at_once) {
    constexpr int kRounds = 20;
    constexpr int kOpeners = 8;
    const test::TempDir directory;
    for (int round = 0; round < kRounds; ++round) {
        const std::string path = directory.path() + "/" + std::to_string(round) + ".db";
        std::latch together{kOpeners};
        std::vector<std::jthread> openers;
        for (int i = 0; i < kOpeners; ++i) {
            openers.emplace_back([&] {
                together.arrive_and_wait();
                const auto opened = Database::open(path);
                EXPECT_TRUE(opened) << opened.error().message;
            });
        }
    }
}

}  // namespace
}  // namespace lazybuild::store
