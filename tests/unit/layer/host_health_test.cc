// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/host_health.h"

#include <gtest/gtest.h>

namespace lazybuild::layer {
namespace {

constexpr std::chrono::milliseconds kMoment{1};

TEST(HostHealth, a_host_that_failed_is_left_alone_for_a_while) {
    HostHealth health;
    const io::Deadline now = io::Clock::now();
    EXPECT_FALSE(health.ailing("a:5000", now));
    health.failed("a:5000", now);
    EXPECT_TRUE(health.ailing("a:5000", now + kAloneFirst - kMoment));
    EXPECT_FALSE(health.ailing("a:5000", now + kAloneFirst));
    EXPECT_FALSE(health.ailing("b:5000", now));
}

TEST(HostHealth, an_answer_makes_it_a_host_like_others) {
    HostHealth health;
    const io::Deadline now = io::Clock::now();
    health.failed("a", now);
    health.answered("a");
    EXPECT_FALSE(health.ailing("a", now));
}

TEST(HostHealth, one_request_finds_out_and_others_do_not_wait_for_it) {
    HostHealth health;
    const io::Deadline later = io::Clock::now() + kAloneFirst;
    health.failed("a", later - kAloneFirst);
    ASSERT_FALSE(health.ailing("a", later));
    health.begins("a", later);
    EXPECT_TRUE(health.ailing("a", later + kMoment));
}

TEST(HostHealth, the_longer_it_fails_the_longer_it_is_left_alone_up_to_a_limit) {
    HostHealth health;
    io::Deadline now = io::Clock::now();
    health.failed("a", now);
    for (int i = 0; i < 10; ++i) {
        now += kAloneMax;
        health.begins("a", now);
        health.failed("a", now);
    }
    EXPECT_TRUE(health.ailing("a", now + kAloneMax - kMoment));
    EXPECT_FALSE(health.ailing("a", now + kAloneMax));
}

TEST(HostHealth, failures_of_requests_at_once_count_once) {
    HostHealth health;
    const io::Deadline now = io::Clock::now();
    for (int i = 0; i < 10; ++i) {
        health.begins("a", now);
        health.failed("a", now);
    }
    EXPECT_FALSE(health.ailing("a", now + kAloneFirst));
}

TEST(HostHealth, a_request_that_was_cancelled_says_nothing) {
    const auto ends = [](HostHealth& health, std::errc code) {
        note(health, "a", Result<void>{fail(Error{.code = code, .message = "x"})});
    };
    HostHealth health;
    ends(health, std::errc::operation_canceled);
    EXPECT_FALSE(health.ailing("a"));
    ends(health, std::errc::timed_out);
    EXPECT_TRUE(health.ailing("a"));
    ends(health, std::errc::operation_canceled);
    EXPECT_TRUE(health.ailing("a"));
    ends(health, std::errc::no_such_file_or_directory);
    EXPECT_FALSE(health.ailing("a"));
}

}  // namespace
}  // namespace lazybuild::layer
