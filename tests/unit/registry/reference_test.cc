// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/reference.h"

#include <gtest/gtest.h>

#include <string>

namespace lazybuild::registry {
namespace {

constexpr std::string_view kDigest =
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string full(std::string_view text) {
    const auto reference = Reference::parse(text);
    return reference ? reference->text() : "error: " + reference.error().message;
}

bool is_refused(std::string_view text) {
    const auto reference = Reference::parse(text);
    return !reference && reference.error().code == std::errc::invalid_argument;
}

TEST(Reference, completes_docker_hub_names) {
    EXPECT_EQ(full("python"), "docker.io/library/python:latest");
    EXPECT_EQ(full("python:3.12"), "docker.io/library/python:3.12");
    EXPECT_EQ(full("bitnami/redis"), "docker.io/bitnami/redis:latest");
    EXPECT_EQ(full("docker.io/python"), "docker.io/library/python:latest");
    EXPECT_EQ(full("index.docker.io/python"), "docker.io/library/python:latest");
    EXPECT_EQ(full("docker.io/library/python"), "docker.io/library/python:latest");
}

TEST(Reference, tells_hosts_from_names) {
    EXPECT_EQ(full("localhost/a"), "localhost/a:latest");
    EXPECT_EQ(full("registry:5000/a/b:c"), "registry:5000/a/b:c");
    EXPECT_EQ(full("quay.io/a/b"), "quay.io/a/b:latest");
    EXPECT_EQ(full("[::1]:5000/a"), "[::1]:5000/a:latest");
    EXPECT_EQ(full("127.0.0.1:5000/a"), "127.0.0.1:5000/a:latest");
    EXPECT_EQ(full("Registry/a"), "Registry/a:latest");
    EXPECT_EQ(full("localhost:5000"), "docker.io/library/localhost:5000");
}

TEST(Reference, keeps_digest_and_tag) {
    const std::string by_digest = "quay.io/a@" + std::string(kDigest);
    const auto digest_only = Reference::parse(by_digest);
    ASSERT_TRUE(digest_only);
    EXPECT_EQ(digest_only->tag, "");
    EXPECT_EQ(digest_only->tag_or_digest(), kDigest);
    EXPECT_EQ(digest_only->text(), by_digest);

    const auto both = Reference::parse("quay.io/a:b@" + std::string(kDigest));
    ASSERT_TRUE(both);
    EXPECT_EQ(both->tag, "b");
    EXPECT_EQ(both->tag_or_digest(), kDigest);
    EXPECT_EQ(both->text(), "quay.io/a:b@" + std::string(kDigest));
}

TEST(Reference, text_parses_to_the_same) {
    for (const std::string_view text : {"python", "a.b/c/d:e", "[::1]/x-y/z__w", "localhost/q"}) {
        const auto once = Reference::parse(text);
        ASSERT_TRUE(once) << text;
        const auto twice = Reference::parse(once->text());
        ASSERT_TRUE(twice) << once->text();
        EXPECT_EQ(*once, *twice);
    }
}

TEST(Reference, refuses_what_the_grammar_does_not_allow) {
    for (const std::string_view text : {"",
                                        ":tag",
                                        "@sha256:00",
                                        "Python",
                                        "a//b",
                                        "/a",
                                        "a/",
                                        "a.b/",
                                        "-a",
                                        "a-",
                                        "a..b",
                                        "a___b",
                                        "a.-b",
                                        "a_.b",
                                        "a b",
                                        "a\nb",
                                        "a:",
                                        "a:-x",
                                        "a:b:c",
                                        "a:b/c:",
                                        "quay.io/A",
                                        "quay.io:0/a",
                                        "quay.io:65536/a",
                                        "quay.io:x/a",
                                        "-quay.io/a",
                                        "quay-.io/a",
                                        "quay..io/a",
                                        "[::g]/a",
                                        "[]/a",
                                        "http://quay.io/a",
                                        "quay.io/../a",
                                        "a@sha256:abc",
                                        "a@sha512:abc",
                                        "a@b@c",
                                        "user@quay.io/a",
                                        "a%2fb",
                                        "a?b",
                                        "a#b"}) {
        EXPECT_TRUE(is_refused(text)) << text << " gave " << full(text);
    }
    EXPECT_TRUE(is_refused(std::string_view("a\0b", 3)));
}

TEST(Reference, allows_the_separators_of_the_grammar) {
    for (const std::string_view text :
         {"a.b.c/d", "x/a_b", "x/a__b", "x/a-b", "x/a---b", "x/1/2"}) {
        EXPECT_FALSE(is_refused(text)) << text;
    }
}

TEST(Reference, keeps_its_limits) {
    const std::string name_255(255 - 8, 'a');  // with "library/"
    EXPECT_FALSE(is_refused(name_255));
    EXPECT_TRUE(is_refused(name_255 + "a"));
    EXPECT_FALSE(is_refused("a:" + std::string(128, 't')));
    EXPECT_TRUE(is_refused("a:" + std::string(129, 't')));
    EXPECT_TRUE(is_refused(std::string(100'000, 'a')));
}

TEST(Reference, refuses_an_image_id) {
    EXPECT_TRUE(is_refused(kDigest.substr(7)));
}

TEST(Reference, says_what_is_wrong) {
    const auto reference = Reference::parse("quay.io/UPPER");
    ASSERT_FALSE(reference);
    EXPECT_NE(reference.error().message.find("quay.io/UPPER"), std::string::npos);
    EXPECT_NE(reference.error().message.find("lower-case"), std::string::npos);
}

TEST(Repository, has_neither_tag_nor_digest) {
    const auto repository = Repository::parse("quay.io/a/b");
    ASSERT_TRUE(repository);
    EXPECT_EQ(repository->host, "quay.io");
    EXPECT_EQ(repository->name, "a/b");
    EXPECT_FALSE(Repository::parse("quay.io/a:b"));
}

TEST(Repository, made_by_hand_is_checked) {
    EXPECT_TRUE(check_repository({"quay.io", "a/b"}));
    EXPECT_FALSE(check_repository({"quay.io/x", "a"}));
    EXPECT_FALSE(check_repository({"", "a"}));
    EXPECT_FALSE(check_repository({"quay.io", ""}));
    EXPECT_FALSE(check_repository({"quay.io", "a\r\nHost: b"}));
}

TEST(LoopbackHost, is_what_stays_on_this_machine) {
    for (const std::string_view host :
         {"localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:5000"}) {
        EXPECT_TRUE(is_loopback_host(host)) << host;
    }
    for (const std::string_view host :
         {"128.0.0.1", "localhost.example", "[::2]", "127.0.0.1.example", "registry:5000"}) {
        EXPECT_FALSE(is_loopback_host(host)) << host;
    }
}

}  // namespace
}  // namespace lazybuild::registry
