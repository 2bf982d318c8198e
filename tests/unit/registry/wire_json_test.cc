// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/wire_json.h"

#include <gtest/gtest.h>

#include <string>

namespace lazybuild::registry {
namespace {

using std::chrono::seconds;

TEST(ErrorText, is_the_first_error_of_a_registry) {
    EXPECT_EQ(error_text(as_bytes(
                  R"({"errors":[{"code":"NAME_UNKNOWN","message":"not known","detail":{}},{}]})")),
              "NAME_UNKNOWN: not known");
    EXPECT_EQ(error_text(as_bytes(R"({"errors":[{"code":"DENIED"}]})")), "DENIED");
    EXPECT_EQ(error_text(as_bytes(R"({"details":"incorrect username or password"})")),
              "incorrect username or password");
}

TEST(ErrorText, is_one_printable_line) {
    EXPECT_EQ(
        error_text(as_bytes("{\"errors\":[{\"code\":\"A\\u001b[2J\",\"message\":\"b\\nc\"}]}")),
        "A [2J: b");
    EXPECT_EQ(error_text(as_bytes("too many requests\nplease wait")), "too many requests");
    EXPECT_EQ(error_text(as_bytes("<html><body>502</body></html>")), "");
    EXPECT_EQ(error_text({}), "");
    EXPECT_LE(error_text(as_bytes(std::string(10'000, 'x'))).size(), 300U);
}

TEST(ErrorText, survives_other_shapes) {
    for (const std::string_view body : {R"({"errors":{}})", R"({"errors":[]})", R"({"errors":[1]})",
                                        R"({"errors":[{"code":1,"message":[]}]})", "{}"}) {
        EXPECT_EQ(error_text(as_bytes(body)), "") << body;
    }
    EXPECT_EQ(error_text(as_bytes(std::string(100'000, '['))).size(), 300U);
}

TEST(TokenAnswer, has_a_token_by_either_name) {
    const auto token = parse_token_answer(as_bytes(R"({"token":"abc","expires_in":300})"));
    ASSERT_TRUE(token);
    EXPECT_EQ(token->token, "abc");
    EXPECT_EQ(token->lifetime, seconds(300));
    EXPECT_EQ(parse_token_answer(as_bytes(R"({"access_token":"abc"})"))->token, "abc");
}

TEST(TokenAnswer, lives_at_least_as_long_as_specified) {
    EXPECT_EQ(parse_token_answer(as_bytes(R"({"token":"a"})"))->lifetime, seconds(60));
    EXPECT_EQ(parse_token_answer(as_bytes(R"({"token":"a","expires_in":-1})"))->lifetime,
              seconds(60));
    EXPECT_EQ(parse_token_answer(as_bytes(R"({"token":"a","expires_in":"x"})"))->lifetime,
              seconds(60));
    EXPECT_EQ(parse_token_answer(as_bytes(R"({"token":"a","expires_in":1e300})"))->lifetime,
              seconds(60));
    EXPECT_EQ(parse_token_answer(as_bytes(R"({"token":"a","expires_in":999999999999})"))->lifetime,
              seconds(86'400));
}

TEST(TokenAnswer, must_be_there) {
    for (const std::string_view body : {"", "[]", "{}", R"({"token":""})", R"({"token":1})", "{"}) {
        EXPECT_FALSE(parse_token_answer(as_bytes(body))) << body;
    }
}

TEST(DockerConfig, has_credentials_and_helpers) {
    const auto config = parse_docker_config(R"({
        "auths": {
            "https://index.docker.io/v1/": {"auth": "YWxpY2U6czNjcmV0OnRvbw=="},
            "quay.io": {"username": "bob", "password": "pw"},
            "azure.example": {"auth": "MDA6", "identitytoken": "long-lived"},
            "padded.example": {"auth": "YTpiAAAA"},
            "helper.example": {},
            "broken.example": {"auth": "%%%"},
            "nocolon.example": {"auth": "YWJj"},
            "odd.example": 5
        },
        "credHelpers": {"gcr.io": "gcloud", "x": 1},
        "credsStore": "desktop",
        "HttpHeaders": {"A": "b"}
    })");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->credentials.size(), 4U);
    EXPECT_EQ(config->credentials.at("https://index.docker.io/v1/"),
              (Credential{.user_name = "alice", .password = "s3cret:too", .identity_token = ""}));
    EXPECT_EQ(config->credentials.at("quay.io").password, "pw");
    EXPECT_EQ(config->credentials.at("azure.example").identity_token, "long-lived");
    EXPECT_EQ(config->credentials.at("padded.example").password, "b");
    EXPECT_EQ(config->helpers, (std::map<std::string, std::string>{{"gcr.io", "gcloud"}}));
    EXPECT_EQ(config->default_helper, "desktop");
}

TEST(DockerConfig, that_is_broken_is_an_error_without_its_content) {
    const auto config = parse_docker_config(R"({"auths": {"a": {"password": "s3cret)");
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().message.find("s3cret"), std::string::npos);
}

TEST(HelperAnswer, is_a_password_or_an_identity_token) {
    const auto password = parse_helper_answer(R"({"ServerURL":"x","Username":"u","Secret":"p"})");
    ASSERT_TRUE(password);
    EXPECT_EQ(*password, (Credential{.user_name = "u", .password = "p", .identity_token = ""}));
    EXPECT_EQ(parse_helper_answer(R"({"Username":"<token>","Secret":"t"})")->identity_token, "t");
    EXPECT_FALSE(parse_helper_answer(R"({"Username":"u"})"));
    EXPECT_FALSE(parse_helper_answer("credentials not found"));
}

}  // namespace
}  // namespace lazybuild::registry
