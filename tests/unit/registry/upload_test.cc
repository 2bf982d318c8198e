// SPDX-License-Identifier: Apache-2.0
// Uploads to registries that fail on the way.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "snapshotter/registry/url.h"
#include "tests/support/fake_server.h"
#include "tests/unit/registry/client_fixture.h"

namespace lazybuild::registry {
namespace {

using test::FakeReply;
using test::FakeRequest;
using test::FakeServer;
using test::reply;

const FakeReply kNotFoundHead{.bytes = "HTTP/1.1 404 Not Found\r\n\r\n"};

// Content that fails to be read.
class BrokenAccess final : public RandomAccess {
  public:
    std::uint64_t size_bytes() const override { return 10; }
    Result<void> read_at(std::uint64_t /*offset_bytes*/, MutableByteView /*out*/) const override {
        return fail(Error{std::errc::io_error, "the disk is gone"});
    }
};

class Uploads : public ClientFixture {
  protected:
    Result<void> push(const FakeServer& server) {
        const MemoryAccess access(content_);
        return run(client().push_blob({server.host(), "a"}, digest_, access, soon()));
    }
    static std::size_t count(const FakeServer& server, std::string_view method) {
        std::size_t found = 0;
        for (const FakeRequest& request : server.requests()) {
            found += request.method == method ? 1 : 0;
        }
        return found;
    }

    const Bytes content_ = random_bytes(2'500'000, 9);
    const codec::Digest digest_ = codec::sha256(content_);
};

TEST_F(Uploads, are_one_session_and_one_put) {
    FakeServer server([](const FakeRequest& request) {
        if (request.method == "HEAD") {
            return kNotFoundHead;
        }
        return request.method == "POST" ? reply(202, "", "Location: up/1?state=x\r\n") : reply(201);
    });
    const auto pushed = push(server);
    ASSERT_TRUE(pushed) << message_of(pushed);
    const auto requests = server.requests();
    ASSERT_EQ(requests.size(), 3U);
    EXPECT_EQ(requests[1].target, "/v2/a/blobs/uploads/");
    EXPECT_EQ(requests[1].field("content-length"), "0");
    EXPECT_EQ(requests[2].target,
              "/v2/a/blobs/uploads/up/1?state=x&digest=" + percent_encode(digest_.text()));
    EXPECT_EQ(requests[2].body, as_text(content_));
}

TEST_F(Uploads, do_not_ask_again_for_what_is_known_not_to_be_there_unless_they_fail) {
    std::atomic<int> puts = 0;
    FakeServer server([&puts](const FakeRequest& request) {
        if (request.method == "HEAD") {
            return kNotFoundHead;
        }
        if (request.method == "POST") {
            return reply(202, "", "Location: up/1?state=x\r\n");
        }
        return reply(++puts % 2 == 0 ? 201 : 500);
    });
    const MemoryAccess access(content_);
    const auto pushed =
        run(client().push_blob({server.host(), "a"}, digest_, access, soon(), Asked::has_not));
    ASSERT_TRUE(pushed) << message_of(pushed);
    EXPECT_EQ(server.requests().front().method, "POST");
    EXPECT_EQ(count(server, "HEAD"), 1U);
    EXPECT_EQ(count(server, "PUT"), 2U);
}

TEST_F(Uploads, begin_again_when_the_put_fails) {
    std::atomic<int> puts = 0;
    std::atomic<int> sessions = 0;
    FakeServer server([&](const FakeRequest& request) {
        if (request.method == "HEAD") {
            return kNotFoundHead;
        }
        if (request.method == "POST") {
            return reply(202, "", fmt::format("Location: /up/{}\r\n", ++sessions));
        }
        ++puts;
        return puts == 1   ? reply(500)
               : puts == 2 ? FakeReply{.bytes = "", .close = true}
                           : reply(201);
    });
    const auto pushed = push(server);
    ASSERT_TRUE(pushed) << message_of(pushed);
    EXPECT_EQ(sessions, 3);
    EXPECT_EQ(server.requests().back().body, as_text(content_));
}

TEST_F(Uploads, end_when_the_registry_has_the_blob_after_all) {
    bool stored = false;
    FakeServer server([&](const FakeRequest& request) {
        if (request.method == "HEAD") {
            return stored ? FakeReply{.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"}
                          : kNotFoundHead;
        }
        if (request.method == "POST") {
            return reply(202, "", "Location: /up\r\n");
        }
        stored = true;  // but the answer is lost
        return FakeReply{.bytes = "", .close = true};
    });
    const auto pushed = push(server);
    EXPECT_TRUE(pushed) << message_of(pushed);
    EXPECT_EQ(count(server, "PUT"), 1U);
}

TEST_F(Uploads, tell_why_they_were_refused) {
    FakeServer server([](const FakeRequest& request) {
        if (request.method == "HEAD") {
            return kNotFoundHead;
        }
        return request.method == "POST"
                   ? reply(202, "", "Location: /up?secret=hunter2\r\n")
                   : reply(413, R"({"errors":[{"code":"SIZE_INVALID","message":"too big"}]})");
    });
    const auto pushed = push(server);
    EXPECT_EQ(code_of(pushed), std::errc::protocol_error);
    EXPECT_NE(message_of(pushed).find("SIZE_INVALID: too big"), std::string::npos)
        << message_of(pushed);
    EXPECT_EQ(message_of(pushed).find("hunter2"), std::string::npos);
}

TEST_F(Uploads, need_a_session_with_a_place) {
    FakeServer server([](const FakeRequest& request) {
        return request.method == "HEAD" ? kNotFoundHead : reply(202);
    });
    EXPECT_EQ(code_of(push(server)), std::errc::bad_message);
}

TEST_F(Uploads, notice_another_digest) {
    FakeServer server([](const FakeRequest& request) {
        if (request.method == "HEAD") {
            return kNotFoundHead;
        }
        const std::string other = codec::sha256({}).text();
        return request.method == "POST"
                   ? reply(202, "", "Location: /up\r\n")
                   : reply(201, "", "Docker-Content-Digest: " + other + "\r\n");
    });
    EXPECT_EQ(code_of(push(server)), std::errc::bad_message);
}

TEST_F(Uploads, take_no_credentials_to_another_host) {
    FakeServer storage([](const FakeRequest&) { return reply(201); });
    FakeServer registry([&](const FakeRequest& request) {
        if (request.field("authorization").empty()) {
            return request.method == "HEAD"
                       ? FakeReply{.bytes = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\n\r\n"}
                       : reply(401);
        }
        return request.method == "HEAD" ? kNotFoundHead
                                        : reply(202, "", "Location: " + storage.url() + "/up\r\n");
    });
    ClientOptions options = quick_options();
    options.credential = Credential{.user_name = "ali", .password = "secret"};
    use(options);
    const auto pushed = push(registry);
    ASSERT_TRUE(pushed) << message_of(pushed);
    ASSERT_EQ(storage.requests().size(), 1U);
    EXPECT_EQ(storage.requests().front().field("authorization"), "");
}

TEST_F(Uploads, end_with_the_error_of_their_content) {
    FakeServer server([](const FakeRequest& request) {
        return request.method == "HEAD" ? kNotFoundHead : reply(202, "", "Location: /up\r\n");
    });
    const auto pushed =
        run(client().push_blob({server.host(), "a"}, digest_, BrokenAccess(), soon()));
    EXPECT_EQ(code_of(pushed), std::errc::io_error);
    EXPECT_NE(message_of(pushed).find("the disk is gone"), std::string::npos) << message_of(pushed);
}

TEST_F(Uploads, of_copies_begin_again_when_the_origin_fails) {
    std::atomic<int> served = 0;
    FakeServer origin([&](const FakeRequest&) {
        FakeReply answer = reply(200, as_text(content_));
        if (++served == 1) {
            answer.bytes.resize(answer.bytes.size() / 2);
            answer.close = true;
        }
        return answer;
    });
    FakeServer target([](const FakeRequest& request) {
        if (request.method == "HEAD") {
            return kNotFoundHead;
        }
        return request.method == "POST" ? reply(202, "", "Location: /up\r\n") : reply(201);
    });
    const auto copied = run(client().copy_blob({target.host(), "a"}, digest_, content_.size(),
                                               client(), {origin.host(), "b"}, soon()));
    ASSERT_TRUE(copied) << message_of(copied);
    EXPECT_EQ(target.requests().back().body, as_text(content_));
    EXPECT_EQ(served, 2);
}

TEST_F(Uploads, of_copies_notice_an_origin_that_is_too_short) {
    FakeServer origin([](const FakeRequest&) { return reply(200, "short"); });
    FakeServer target([](const FakeRequest& request) {
        return request.method == "HEAD" ? kNotFoundHead : reply(202, "", "Location: /up\r\n");
    });
    const auto copied = run(client().copy_blob({target.host(), "a"}, digest_, 100, client(),
                                               {origin.host(), "b"}, soon()));
    EXPECT_EQ(code_of(copied), std::errc::bad_message) << message_of(copied);
}

TEST_F(Uploads, are_cancelled_when_a_mount_begins_one) {
    FakeServer server([](const FakeRequest& request) {
        return request.method == "POST" ? reply(202, "", "Location: /up/7\r\n") : reply(204);
    });
    const auto mounted = run(client().mount_blob({server.host(), "a"}, digest_, "b", soon()));
    ASSERT_TRUE(mounted) << message_of(mounted);
    EXPECT_FALSE(*mounted);
    const auto requests = server.requests();
    ASSERT_EQ(requests.size(), 2U);
    EXPECT_EQ(requests[0].target,
              "/v2/a/blobs/uploads/?mount=" + percent_encode(digest_.text()) + "&from=b");
    EXPECT_EQ(requests[1].method, "DELETE");
    EXPECT_EQ(requests[1].target, "/up/7");
}

TEST_F(Uploads, follow_a_mount_that_is_not_allowed) {
    for (const int status : {400, 401, 403, 404, 405}) {
        FakeServer server([status](const FakeRequest&) { return reply(status); });
        const auto mounted = run(client().mount_blob({server.host(), "a"}, digest_, "b", soon()));
        ASSERT_TRUE(mounted) << message_of(mounted);
        EXPECT_FALSE(*mounted);
    }
}

}  // namespace
}  // namespace lazybuild::registry
