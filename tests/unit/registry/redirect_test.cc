// SPDX-License-Identifier: Apache-2.0
// Registries that send us to other hosts.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "tests/support/fake_server.h"
#include "tests/unit/registry/client_fixture.h"

namespace lazybuild::registry {
namespace {

using std::chrono::milliseconds;
using test::FakeReply;
using test::FakeRequest;
using test::FakeServer;
using test::reply;

// Lets in "ali" with "secret" only.
FakeReply with_password(const FakeRequest& request, const FakeReply& inside) {
    return request.field("authorization") == "Basic YWxpOnNlY3JldA=="
               ? inside
               : reply(401, "", "WWW-Authenticate: Basic realm=x\r\n");
}

class Redirects : public ClientFixture {
  protected:
    void SetUp() override {
        ClientOptions options = quick_options();
        options.credential = Credential{.user_name = "ali", .password = "secret"};
        use(options);
    }
    Result<Bytes> get(const FakeServer& registry) {
        return run(client().get_range({registry.host(), "a"}, codec::sha256({}), 0, 3, soon()));
    }
    static FakeReply blob() { return reply(206, "abc", "Content-Range: bytes 0-2/3\r\n"); }
};

TEST_F(Redirects, carry_no_credentials_to_another_host) {
    FakeServer storage([](const FakeRequest&) { return blob(); });
    FakeServer registry([&](const FakeRequest& request) {
        return with_password(request,
                             reply(307, "", "Location: " + storage.url() + "/b?sig=secret\r\n"));
    });
    const auto bytes = get(registry);
    ASSERT_TRUE(bytes) << message_of(bytes);
    EXPECT_EQ(as_text(*bytes), "abc");
    ASSERT_EQ(storage.requests().size(), 1U);
    const FakeRequest request = storage.requests().front();
    EXPECT_EQ(request.field("authorization"), "");
    EXPECT_EQ(request.field("range"), "bytes=0-2");
    EXPECT_EQ(request.target, "/b?sig=secret");
}

TEST_F(Redirects, keep_credentials_on_the_same_host) {
    FakeServer registry([](const FakeRequest& request) {
        return with_password(request, request.target == "/elsewhere"
                                          ? blob()
                                          : reply(302, "", "Location: /elsewhere\r\n"));
    });
    const auto bytes = get(registry);
    ASSERT_TRUE(bytes) << message_of(bytes);
}

TEST_F(Redirects, do_not_answer_a_challenge_of_another_host) {
    FakeServer storage(
        [](const FakeRequest&) { return reply(401, "", "WWW-Authenticate: Basic realm=x\r\n"); });
    FakeServer registry([&](const FakeRequest& request) {
        return with_password(request, reply(307, "", "Location: " + storage.url() + "/b\r\n"));
    });
    EXPECT_EQ(code_of(get(registry)), std::errc::permission_denied);
    for (const FakeRequest& request : storage.requests()) {
        EXPECT_EQ(request.field("authorization"), "");
    }
}

TEST_F(Redirects, are_remembered_for_a_blob) {
    FakeServer storage([](const FakeRequest&) { return blob(); });
    FakeServer registry([&](const FakeRequest&) {
        return reply(307, "", "Location: " + storage.url() + "/b\r\n");
    });
    for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(get(registry));
    }
    EXPECT_EQ(registry.requests().size(), 1U);
    EXPECT_EQ(storage.requests().size(), 5U);
}

TEST_F(Redirects, are_asked_for_again_when_they_have_expired) {
    for (const int status : {400, 403, 404, 410, 500}) {
        std::atomic<int> issued = 0;
        std::atomic<int> expired = 0;
        FakeServer storage([&](const FakeRequest& request) {
            return request.target == fmt::format("/b?{}", expired) ? reply(status) : blob();
        });
        FakeServer registry([&](const FakeRequest&) {
            return reply(307, "", fmt::format("Location: {}/b?{}\r\n", storage.url(), ++issued));
        });
        EXPECT_TRUE(get(registry));
        expired = 1;
        const auto again = get(registry);
        EXPECT_TRUE(again) << status << ": " << message_of(again);
        EXPECT_EQ(issued, 2) << status;
    }
}

TEST_F(Redirects, are_forgotten_when_they_have_expired) {
    std::atomic<bool> expired = false;
    FakeServer storage([&](const FakeRequest&) { return expired ? reply(403) : blob(); });
    FakeServer registry([&](const FakeRequest&) {
        return expired ? blob() : reply(307, "", "Location: " + storage.url() + "/b\r\n");
    });
    EXPECT_TRUE(get(registry));
    expired = true;
    EXPECT_TRUE(get(registry));
    EXPECT_TRUE(get(registry));
    EXPECT_EQ(storage.requests().size(), 2U);
}

TEST_F(Redirects, are_asked_for_again_after_their_time) {
    ClientOptions options = quick_options();
    options.redirect_ttl = milliseconds(0);
    use(options);
    FakeServer storage([](const FakeRequest&) { return blob(); });
    FakeServer registry([&](const FakeRequest&) {
        return reply(307, "", "Location: " + storage.url() + "/b\r\n");
    });
    EXPECT_TRUE(get(registry));
    EXPECT_TRUE(get(registry));
    EXPECT_EQ(registry.requests().size(), 2U);
}

TEST_F(Redirects, to_a_dead_host_are_asked_for_again) {
    auto first = std::make_unique<FakeServer>([](const FakeRequest&) { return blob(); });
    FakeServer second([](const FakeRequest&) { return blob(); });
    const std::string old_url = first->url();
    std::atomic<bool> moved = false;
    FakeServer registry([&](const FakeRequest&) {
        return reply(307, "", "Location: " + (moved ? second.url() : old_url) + "/b\r\n");
    });
    EXPECT_TRUE(get(registry));
    moved = true;
    first.reset();
    const auto again = get(registry);
    EXPECT_TRUE(again) << message_of(again);
}

TEST_F(Redirects, do_not_go_on_for_ever) {
    FakeServer registry([](const FakeRequest& request) {
        return reply(302, "", "Location: " + request.target + "x\r\n");
    });
    EXPECT_EQ(code_of(get(registry)), std::errc::protocol_error);
    EXPECT_EQ(registry.requests().size(), 6U);
}

TEST_F(Redirects, to_other_schemes_are_refused) {
    for (const std::string_view location :
         {"ftp://127.0.0.1/b", "file:///etc/passwd", "http://u:p@127.0.0.1/b", "http://"}) {
        FakeServer registry([&](const FakeRequest&) {
            return reply(302, "", fmt::format("Location: {}\r\n", location));
        });
        EXPECT_EQ(code_of(get(registry)), std::errc::bad_message) << location;
    }
}

TEST_F(Redirects, are_not_shown_with_their_signature) {
    FakeServer storage([](const FakeRequest&) { return reply(403, "<xml>Expired</xml>"); });
    FakeServer registry([&](const FakeRequest&) {
        return reply(307, "", "Location: " + storage.url() + "/b?sig=hunter2\r\n");
    });
    const auto bytes = get(registry);
    EXPECT_EQ(code_of(bytes), std::errc::permission_denied);
    EXPECT_NE(message_of(bytes).find(storage.url() + "/b"), std::string::npos);
    EXPECT_EQ(message_of(bytes).find("hunter2"), std::string::npos);
}

TEST_F(Redirects, of_head_to_a_url_signed_for_get_still_give_the_size) {
    FakeServer storage([](const FakeRequest& request) {
        return request.method == "HEAD" ? FakeReply{.bytes = "HTTP/1.1 403 No\r\n\r\n"}
                                        : reply(206, "a", "Content-Range: bytes 0-0/77\r\n");
    });
    FakeServer registry([&](const FakeRequest&) {
        return reply(307, "", "Location: " + storage.url() + "/b\r\n");
    });
    const auto size = run(client().blob_size({registry.host(), "a"}, codec::sha256({}), soon()));
    ASSERT_TRUE(size) << message_of(size);
    EXPECT_EQ(*size, 77U);
}

}  // namespace
}  // namespace lazybuild::registry
