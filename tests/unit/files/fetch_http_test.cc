// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "builder/files/context.h"
#include "codec/sha256.h"
#include "tests/support/fake_server.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::files {
namespace {

class QuietConsole final : public image::Console {
  public:
    void out(std::string_view /*text*/) override {}
    void note(std::string_view /*line*/) override {}
    void on_interrupt(std::function<void()> /*stop*/) override {}
};

class FetchHttp : public testing::Test {
  protected:
    FetchHttp() : session_(image::Session::open({}, console_, 2).value()) {}

    Result<RemoteFiles> fetch(const std::string& url, const std::string& checksum = {},
                              const std::string& name = "file") {
        return session_->run_blocking([&] {
            return fetch_http({.url = url, .file_name = name, .checksum = checksum},
                              cache_.path() + "/http", *session_, secrets_);
        });
    }
    std::string text(const RemoteFiles& remote) {
        auto content = remote.files->open("file");
        EXPECT_TRUE(content);
        Bytes bytes(1 << 20);
        const auto count = read_full(**content, bytes);
        return std::string{as_text(ByteView{bytes}.first(count.value_or(0)))};
    }

    QuietConsole console_;
    const test::TempDir cache_;
    SecretReader secrets_;
    std::unique_ptr<image::Session> session_;
};

TEST_F(FetchHttp, makes_a_private_file_with_the_servers_time) {
    test::FakeServer server{[](const test::FakeRequest&) {
        return test::reply(200, "hello", "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n");
    }};
    const auto remote = fetch(server.url() + "/a/b?c=d");
    ASSERT_TRUE(remote) << remote.error().message;
    EXPECT_EQ(*remote->files->list(""), std::vector<std::string>{"file"});
    const auto info = *remote->files->look("file");
    EXPECT_EQ(info->mode, 0600U);
    EXPECT_EQ(info->mtime_s, 1445412480);
    EXPECT_EQ(info->size_bytes, 5U);
    EXPECT_EQ(text(*remote), "hello");
    EXPECT_EQ(remote->files->digest("file")->digest, codec::sha256(as_bytes("hello")));
    EXPECT_TRUE(remote->identity.starts_with(codec::sha256(as_bytes("hello")).text()));
}

TEST_F(FetchHttp, asks_whether_what_it_has_is_still_right) {
    std::atomic<int> version = 1;
    test::FakeServer server{[&](const test::FakeRequest& request) {
        const std::string tag = "\"v" + std::to_string(version) + "\"";
        if (request.field("if-none-match") == tag) {
            return test::reply(304);
        }
        return test::reply(200, "text " + tag, "ETag: " + tag + "\r\n");
    }};
    const auto first = fetch(server.url() + "/x");
    ASSERT_TRUE(first) << first.error().message;
    const auto second = fetch(server.url() + "/x");
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(first->identity, second->identity);
    EXPECT_EQ(text(*second), "text \"v1\"");
    version = 2;
    const auto third = fetch(server.url() + "/x");
    ASSERT_TRUE(third) << third.error().message;
    EXPECT_NE(first->identity, third->identity);
    EXPECT_EQ(text(*third), "text \"v2\"");
    EXPECT_EQ(server.requests().size(), 3U);
}

TEST_F(FetchHttp, takes_nothing_that_has_another_checksum) {
    test::FakeServer server{[](const test::FakeRequest&) { return test::reply(200, "evil"); }};
    const std::string good = codec::sha256(as_bytes("good")).text();
    const auto wrong = fetch(server.url() + "/x", good);
    ASSERT_FALSE(wrong);
    EXPECT_NE(wrong.error().message.find("digest mismatch for"), std::string::npos);
    const std::string evil = codec::sha256(as_bytes("evil")).text();
    ASSERT_TRUE(fetch(server.url() + "/x", evil));
    const std::size_t asked = server.requests().size();
    ASSERT_TRUE(fetch(server.url() + "/x", evil));
    EXPECT_EQ(server.requests().size(), asked) << "what is known by its digest is not asked for";
    EXPECT_FALSE(fetch(server.url() + "/x", "sha256:short"));
}

TEST_F(FetchHttp, follows_redirects_to_http_only) {
    const test::TempDir directory;
    directory.write("secret", "secret");
    test::FakeServer server{[&](const test::FakeRequest& request) {
        if (request.target == "/file") {
            return test::reply(302, "", "Location: file://" + directory.path() + "/secret\r\n");
        }
        if (request.target == "/loop") {
            return test::reply(302, "", "Location: /loop\r\n");
        }
        return request.target == "/go" ? test::reply(302, "", "Location: /there\r\n")
                                       : test::reply(200, "there");
    }};
    const auto followed = fetch(server.url() + "/go");
    ASSERT_TRUE(followed) << followed.error().message;
    EXPECT_EQ(text(*followed), "there");
    EXPECT_FALSE(fetch(server.url() + "/file"));
    EXPECT_FALSE(fetch(server.url() + "/loop"));
    EXPECT_FALSE(fetch("file://" + directory.path() + "/secret"));
}

TEST_F(FetchHttp, says_what_the_server_answered_and_tries_again_when_that_may_help) {
    std::atomic<int> busy = 2;
    test::FakeServer server{[&](const test::FakeRequest& request) {
        if (request.target.starts_with("/gone")) {
            return test::reply(404, "no");
        }
        return busy-- > 0 ? test::reply(503, "later") : test::reply(200, "now");
    }};
    const auto gone = fetch(server.url() + "/gone?token=secret");
    ASSERT_FALSE(gone);
    EXPECT_NE(gone.error().message.find("invalid response status 404"), std::string::npos);
    EXPECT_EQ(gone.error().message.find("secret"), std::string::npos);
    const auto served = fetch(server.url() + "/busy");
    ASSERT_TRUE(served) << served.error().message;
    EXPECT_EQ(text(*served), "now");
}

TEST_F(FetchHttp, names_are_names) {
    test::FakeServer server{[](const test::FakeRequest&) { return test::reply(200, "x"); }};
    for (const std::string name : {"", ".", "..", "a/b", "/etc/passwd"}) {
        EXPECT_FALSE(fetch(server.url() + "/x", "", name)) << name;
    }
}

TEST_F(FetchHttp, shows_a_secret_to_the_host_that_it_is_for_and_to_nobody_else) {
    test::FakeServer other{[](const test::FakeRequest&) { return test::reply(200, "there"); }};
    test::FakeServer server{[&](const test::FakeRequest& request) {
        if (request.field("authorization") != "Bearer t0ken") {
            return test::reply(401);
        }
        return request.target == "/go" ? test::reply(302, "", "Location: " + other.url() + "/x\r\n")
                                       : test::reply(200, "private");
    }};
    EXPECT_FALSE(fetch(server.url() + "/x"));
    std::map<std::string, std::string> known{{"HTTP_AUTH_TOKEN_" + server.host(), "t0ken\n"}};
    secrets_ = [&](const std::string& id) -> Result<std::optional<std::string>> {
        const auto found = known.find(id);
        return found == known.end() ? std::nullopt : std::optional{found->second};
    };
    const auto fetched = fetch(server.url() + "/x");
    ASSERT_TRUE(fetched) << fetched.error().message;
    EXPECT_EQ(text(*fetched), "private");
    const auto redirected = fetch(server.url() + "/go");
    ASSERT_TRUE(redirected) << redirected.error().message;
    ASSERT_TRUE(fetch(other.url() + "/y"));
    for (const test::FakeRequest& request : other.requests()) {
        EXPECT_EQ(request.field("authorization"), "");
    }
    known = {{"HTTP_AUTH_HEADER_" + server.host(), "Digest s3cret"}};
    const auto refused = fetch(server.url() + "/z");
    ASSERT_FALSE(refused);
    EXPECT_EQ(server.requests().back().field("authorization"), "Digest s3cret");
    EXPECT_EQ(refused.error().message.find("s3cret"), std::string::npos);
    known = {{"HTTP_AUTH_HEADER_" + server.host(), "a\r\nX-Evil: s3cret"}};
    const std::size_t asked = server.requests().size();
    const auto injected = fetch(server.url() + "/z");
    ASSERT_FALSE(injected);
    EXPECT_EQ(injected.error().message.find("s3cret"), std::string::npos);
    EXPECT_EQ(server.requests().size(), asked);
}

}  // namespace
}  // namespace lazybuild::files
