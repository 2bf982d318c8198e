// SPDX-License-Identifier: Apache-2.0
#include "codec/oci_platform.h"

#include <gtest/gtest.h>

namespace lazybuild::codec {
namespace {

Platform platform(std::string_view text) {
    return Platform::parse(text).value();
}

TEST(Platform, reads_what_users_type) {
    EXPECT_EQ(platform("linux/amd64").text(), "linux/amd64");
    EXPECT_EQ(platform("x86_64").text(), "linux/amd64");
    EXPECT_EQ(platform("Linux/aarch64").text(), "linux/arm64");
    EXPECT_EQ(platform("linux/arm64/v8").text(), "linux/arm64");
    EXPECT_EQ(platform("linux/arm").text(), "linux/arm/v7");
    EXPECT_EQ(platform("linux/arm/6").text(), "linux/arm/v6");
    EXPECT_EQ(platform("linux/amd64/v3").text(), "linux/amd64/v3");
}

TEST(Platform, refuses_what_is_no_platform) {
    for (const char* text : {"", "/", "linux/", "linux//v7", "a/b/c/d", "linux/am d64"}) {
        const auto parsed = Platform::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().code, std::errc::invalid_argument);
    }
}

TEST(Platform, matches_by_os_architecture_and_variant) {
    EXPECT_GT(platform_match(platform("linux/amd64"), platform("linux/amd64")), 0);
    EXPECT_EQ(platform_match(platform("linux/amd64"), platform("linux/arm64")), 0);
    EXPECT_EQ(platform_match(platform("linux/amd64"), platform("windows/amd64")), 0);
    EXPECT_EQ(platform_match(platform("linux/amd64"), platform("linux/amd64/v3")), 0);
    EXPECT_GT(platform_match(platform("linux/amd64/v3"), platform("linux/amd64")), 0);
}

TEST(Platform, prefers_the_nearest_arm_variant) {
    const Platform wanted = platform("linux/arm/v7");
    const int v7 = platform_match(wanted, platform("linux/arm/v7"));
    const int v6 = platform_match(wanted, platform("linux/arm/v6"));
    const int v5 = platform_match(wanted, platform("linux/arm/v5"));
    EXPECT_GT(v7, v6);
    EXPECT_GT(v6, v5);
    EXPECT_GT(v5, 0);
    EXPECT_EQ(platform_match(wanted, platform("linux/arm/v8")), 0);
}

TEST(Platform, of_the_host_is_linux) {
    EXPECT_EQ(host_platform().os, "linux");
    EXPECT_FALSE(host_platform().architecture.empty());
}

}  // namespace
}  // namespace lazybuild::codec
