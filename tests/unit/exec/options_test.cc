// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/options.h"

#include <gtest/gtest.h>

#include <system_error>

namespace lazybuild::exec {
namespace {

TEST(Entitlements, allow_nothing_to_begin_with) {
    Entitlements none;
    EXPECT_TRUE(none.check({.network = "default"}));
    EXPECT_TRUE(none.check({.network = "none"}));
    EXPECT_EQ(none.check({.network = "host"}).error().code, std::errc::permission_denied);
    EXPECT_EQ(none.check({.network = "default", .insecure = true}).error().code,
              std::errc::permission_denied);
}

TEST(Entitlements, allow_what_they_name_and_no_more) {
    Entitlements some;
    ASSERT_TRUE(some.allow("network.host"));
    EXPECT_TRUE(some.check({.network = "host"}));
    EXPECT_FALSE(some.check({.network = "host", .insecure = true}));
    ASSERT_TRUE(some.allow("security.insecure"));
    EXPECT_TRUE(some.check({.network = "host", .insecure = true}));
    EXPECT_FALSE(some.allow("device"));
}

TEST(Entitlements, take_no_network_for_granted_that_they_do_not_know) {
    Entitlements all{.host_network = true, .insecure = true};
    for (const char* network : {"", "Host", "container:x"}) {
        EXPECT_EQ(all.check({.network = network}).error().code, std::errc::invalid_argument);
    }
}

TEST(ParseUlimit, takes_one_limit_for_both) {
    const auto limit = parse_ulimit("nofile=100");
    ASSERT_TRUE(limit);
    EXPECT_EQ(limit->soft, 100);
    EXPECT_EQ(limit->hard, 100);
}

TEST(ParseUlimit, takes_both_and_unlimited) {
    const auto limit = parse_ulimit("core=0:-1");
    ASSERT_TRUE(limit);
    EXPECT_EQ(limit->soft, 0);
    EXPECT_EQ(limit->hard, -1);
}

TEST(ParseUlimit, refuses_what_makes_no_sense) {
    for (const char* text : {"", "nofile", "nofile=", "nofile=1:", "nofile=2:1", "files=1",
                             "nofile=-2", "nofile=1x", "nofile=-1:5"}) {
        EXPECT_FALSE(parse_ulimit(text)) << text;
    }
}

}  // namespace
}  // namespace lazybuild::exec
