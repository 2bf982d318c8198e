// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/challenge.h"

#include <gtest/gtest.h>

namespace lazybuild::registry {
namespace {

using std::chrono::seconds;
using Scheme = Challenge::Scheme;

std::optional<Challenge> choose(std::string_view field) {
    return choose_challenge({field});
}

TEST(Challenge, reads_a_token_challenge) {
    const auto challenge =
        choose(R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",)"
               R"(scope="repository:library/python:pull,push")");
    ASSERT_TRUE(challenge);
    EXPECT_EQ(*challenge, (Challenge{.scheme = Scheme::bearer,
                                     .realm = "https://auth.docker.io/token",
                                     .service = "registry.docker.io",
                                     .scope = "repository:library/python:pull,push"}));
}

TEST(Challenge, reads_a_basic_challenge) {
    const auto challenge = choose("basic realm=\"Registry \\\"Realm\\\"\"");
    ASSERT_TRUE(challenge);
    EXPECT_EQ(challenge->scheme, Scheme::basic);
    EXPECT_EQ(challenge->realm, "Registry \"Realm\"");
    EXPECT_TRUE(choose("Basic"));
}

TEST(Challenge, prefers_bearer_among_several) {
    EXPECT_EQ(choose("Basic realm=a, Bearer realm=\"https://t\" , service=s")->scheme,
              Scheme::bearer);
    EXPECT_EQ(choose_challenge({"Basic realm=a", "Bearer realm=b"})->realm, "b");
    EXPECT_EQ(choose("Bearer scope=x, Basic realm=a")->scheme, Scheme::basic);
}

TEST(Challenge, takes_spaces_and_unquoted_values) {
    const auto challenge = choose("  ,BEARER   Realm = https://t/x , SERVICE= s,,");
    ASSERT_TRUE(challenge);
    EXPECT_EQ(challenge->realm, "https://t/x");
    EXPECT_EQ(challenge->service, "s");
}

TEST(Challenge, ignores_what_it_does_not_understand) {
    EXPECT_FALSE(choose(""));
    EXPECT_FALSE(choose("Negotiate abc=="));
    EXPECT_FALSE(choose("Bearer"));
    EXPECT_FALSE(choose("realm=x"));
    EXPECT_FALSE(choose("\"\"\"==,,"));
    EXPECT_TRUE(choose("Negotiate, Basic realm=\"unfinished"));
    EXPECT_FALSE(choose_challenge({}));
}

TEST(RetryAfter, is_seconds_or_a_date) {
    const auto now = std::chrono::system_clock::from_time_t(784111777);  // 08:49:37
    EXPECT_EQ(parse_retry_after("0", now), seconds(0));
    EXPECT_EQ(parse_retry_after("120", now), seconds(120));
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now), seconds(60));
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:48:37 GMT", now), seconds(0));
}

TEST(RetryAfter, is_bounded) {
    const auto now = std::chrono::system_clock::from_time_t(0);
    EXPECT_EQ(parse_retry_after("-5", now), seconds(0));
    EXPECT_EQ(parse_retry_after("99999999999999999999999", now), seconds(86'400));
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), seconds(86'400));
    EXPECT_FALSE(parse_retry_after("", now));
    EXPECT_FALSE(parse_retry_after("soon", now));
    EXPECT_FALSE(parse_retry_after("1.5", now));
}

}  // namespace
}  // namespace lazybuild::registry
