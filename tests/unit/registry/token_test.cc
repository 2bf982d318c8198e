// SPDX-License-Identifier: Apache-2.0
// Token authentication: the real docker-registry, which checks the signed tokens of a service of
// ours, and a scripted registry for what a real one does not do on demand.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>

#include "snapshotter/io/when_all.h"
#include "snapshotter/registry/authorizer.h"
#include "tests/support/docker_registry.h"
#include "tests/support/fake_server.h"
#include "tests/support/token_service.h"
#include "tests/unit/registry/client_fixture.h"

namespace lazybuild::registry {
namespace {

using test::FakeReply;
using test::FakeRequest;
using test::FakeServer;
using test::reply;

ClientOptions options_of(Credential credential) {
    ClientOptions options = quick_options();
    options.credential = std::move(credential);
    return options;
}

class TokenTest : public ClientFixture {
  protected:
    const test::TokenService tokens_;
    const Credential ali_{.user_name = "ali", .password = "open sesame", .identity_token = ""};
    const Bytes content_ = random_bytes(1000, 7);
    const codec::Digest digest_ = codec::sha256(content_);
};

TEST_F(TokenTest, push_and_anonymous_pull) {
    LAZYBUILD_START_REGISTRY(registry, {.auth = tokens_.registry_config()});
    const Repository repository{registry->host(), "public/app"};
    use(options_of(ali_));
    const auto pushed =
        run(client().push_blob(repository, digest_, MemoryAccess(content_), soon()));
    ASSERT_TRUE(pushed) << message_of(pushed);

    use(options_of({}));
    const auto range = run(client().get_range(repository, digest_, 0, 1000, soon()));
    ASSERT_TRUE(range) << message_of(range);
    EXPECT_EQ(*range, content_);
    const auto refused =
        run(client().push_blob(repository, codec::sha256({}), MemoryAccess({}), soon()));
    EXPECT_EQ(code_of(refused), std::errc::permission_denied) << message_of(refused);
    EXPECT_NE(message_of(refused).find("docker login"), std::string::npos);
}

TEST_F(TokenTest, is_fetched_once_for_many_requests) {
    LAZYBUILD_START_REGISTRY(registry, {.auth = tokens_.registry_config()});
    const Repository repository{registry->host(), "app"};
    use(options_of(ali_));
    ASSERT_TRUE(run(client().push_blob(repository, digest_, MemoryAccess(content_), soon())));
    const std::size_t before = tokens_.requests().size();
    std::vector<io::Task<Result<Bytes>>> reads;
    reads.reserve(20);
    for (std::uint64_t i = 0; i < 20; ++i) {
        reads.push_back(client().get_range(repository, digest_, i, 10, soon()));
    }
    for (const auto& part : run(io::when_all(*reactor_, std::move(reads)))) {
        EXPECT_TRUE(part) << message_of(part);
    }
    EXPECT_EQ(tokens_.requests().size(), before + 1);
}

TEST_F(TokenTest, mount_has_both_scopes) {
    LAZYBUILD_START_REGISTRY(registry, {.auth = tokens_.registry_config()});
    const Repository from{registry->host(), "from"};
    use(options_of(ali_));
    ASSERT_TRUE(run(client().push_blob(from, digest_, MemoryAccess(content_), soon())));
    const auto mounted =
        run(client().mount_blob({registry->host(), "target"}, digest_, from.name, soon()));
    ASSERT_TRUE(mounted) << message_of(mounted);
    EXPECT_TRUE(*mounted);
}

TEST_F(TokenTest, comes_for_an_identity_token) {
    LAZYBUILD_START_REGISTRY(registry, {.auth = tokens_.registry_config()});
    use(options_of({.user_name = "", .password = "", .identity_token = "identity"}));
    const Repository repository{registry->host(), "app"};
    const auto pushed =
        run(client().push_blob(repository, digest_, MemoryAccess(content_), soon()));
    ASSERT_TRUE(pushed) << message_of(pushed);
    const FakeRequest request = tokens_.requests().front();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.field("authorization"), "");
    EXPECT_EQ(request.target, "/token");
}

TEST_F(TokenTest, is_refused_for_a_wrong_password) {
    LAZYBUILD_START_REGISTRY(registry, {.auth = tokens_.registry_config()});
    use(options_of({.user_name = "ali", .password = "hunter2", .identity_token = ""}));
    const auto size = run(client().blob_size({registry->host(), "app"}, digest_, soon()));
    EXPECT_EQ(code_of(size), std::errc::permission_denied) << message_of(size);
    EXPECT_NE(message_of(size).find("incorrect username or password"), std::string::npos);
    EXPECT_EQ(message_of(size).find("hunter2"), std::string::npos);
}

// A registry that wants a token of its own making, which `accepts` decides on.
class ScriptedTokenTest : public ClientFixture {
  protected:
    static FakeReply challenge(const FakeRequest& request, std::string_view scope = "") {
        return reply(
            401, R"({"errors":[{"code":"UNAUTHORIZED","message":"no"}]})",
            fmt::format("WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"s\"{}\r\n",
                        request.field("host"),
                        scope.empty() ? "" : fmt::format(",scope=\"{}\"", scope)));
    }
    const codec::Digest digest_ = codec::sha256({});
};

TEST_F(ScriptedTokenTest, is_renewed_when_the_registry_rejects_it) {
    std::atomic<int> issued = 0;
    std::atomic<int> blobs = 0;
    FakeServer server([&](const FakeRequest& request) {
        if (request.target.starts_with("/token")) {
            return reply(200, fmt::format(R"({{"token":"t{}"}})", ++issued));
        }
        // The first token is good for one request only.
        const std::string wanted = ++blobs <= 2 ? "Bearer t1" : "Bearer t2";
        return request.field("authorization") == wanted ? reply(200, "x") : challenge(request);
    });
    const Repository repository{server.host(), "a"};
    EXPECT_TRUE(run(client().blob_size(repository, digest_, soon())));
    const auto again = run(client().blob_size(repository, digest_, soon()));
    EXPECT_TRUE(again) << message_of(again);
    EXPECT_EQ(server.requests().back().field("authorization"), "Bearer t2");
}

TEST_F(ScriptedTokenTest, that_never_pleases_is_given_up) {
    std::atomic<int> issued = 0;
    FakeServer server([&](const FakeRequest& request) {
        return request.target.starts_with("/token")
                   ? reply(200, fmt::format(R"({{"token":"t{}"}})", ++issued))
                   : challenge(request);
    });
    const auto size = run(client().blob_size({server.host(), "a"}, digest_, soon()));
    EXPECT_EQ(code_of(size), std::errc::permission_denied);
    EXPECT_LE(server.requests().size(), 4U);
}

TEST_F(ScriptedTokenTest, has_the_scope_that_the_registry_named) {
    FakeServer server([&](const FakeRequest& request) {
        if (request.target.starts_with("/token")) {
            return reply(200, R"({"token":"t"})");
        }
        return request.field("authorization").empty()
                   ? challenge(request, "repository:a:delete,pull x:y:z")
                   : reply(200, "x");
    });
    EXPECT_TRUE(run(client().blob_size({server.host(), "a"}, digest_, soon())));
    EXPECT_EQ(server.requests()[1].target,
              "/token?service=s&scope=repository%3Aa%3Apull%2Cdelete&scope=x%3Ay%3Az");
    // The next repository of this registry is asked for without the first one's scopes.
    EXPECT_TRUE(run(client().blob_size({server.host(), "b"}, digest_, soon())));
    EXPECT_EQ(server.requests()[3].target, "/token?service=s&scope=repository%3Ab%3Apull");
}

TEST_F(ScriptedTokenTest, is_asked_for_again_when_the_service_is_overloaded) {
    std::atomic<int> asked = 0;
    FakeServer server([&](const FakeRequest& request) {
        if (request.target.starts_with("/token")) {
            return ++asked < 3 ? reply(503) : reply(200, R"({"token":"t"})");
        }
        return request.field("authorization").empty() ? challenge(request) : reply(200, "x");
    });
    const auto size = run(client().blob_size({server.host(), "a"}, digest_, soon()));
    EXPECT_TRUE(size) << message_of(size);
    EXPECT_EQ(asked, 3);
}

TEST_F(ScriptedTokenTest, from_a_broken_service_is_an_error) {
    FakeServer server([&](const FakeRequest& request) {
        return request.target.starts_with("/token") ? reply(200, "<html>") : challenge(request);
    });
    const auto size = run(client().blob_size({server.host(), "a"}, digest_, soon()));
    EXPECT_EQ(code_of(size), std::errc::bad_message) << message_of(size);
}

TEST_F(ScriptedTokenTest, needs_a_challenge_that_we_understand) {
    FakeServer server(
        [&](const FakeRequest&) { return reply(401, "", "WWW-Authenticate: Negotiate\r\n"); });
    const auto size = run(client().blob_size({server.host(), "a"}, digest_, soon()));
    EXPECT_EQ(code_of(size), std::errc::permission_denied);
    EXPECT_EQ(server.requests().size(), 1U);
}

TEST(Scopes, are_joined_by_resource) {
    using List = std::vector<std::string>;
    EXPECT_EQ(join_scopes({"repository:a:pull"}, ""), (List{"repository:a:pull"}));
    EXPECT_EQ(join_scopes({"repository:a:pull"}, "repository:a:pull"), (List{"repository:a:pull"}));
    EXPECT_EQ(join_scopes({"repository:a:pull"}, "repository:a:push,pull  repository:b:pull"),
              (List{"repository:a:pull,push", "repository:b:pull"}));
    EXPECT_EQ(join_scopes({}, "registry:catalog:*"), (List{"registry:catalog:*"}));
    EXPECT_EQ(join_scopes({"repository:a:pull"}, "odd").size(), 2U);
}

}  // namespace
}  // namespace lazybuild::registry
