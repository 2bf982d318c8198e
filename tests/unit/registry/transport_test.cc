// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/transport.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tests/support/fake_server.h"
#include "tests/unit/registry/client_fixture.h"

namespace lazybuild::registry {
namespace {

using std::chrono::milliseconds;
using test::FakeRequest;
using test::FakeServer;
using test::reply;

class TransportTest : public testing::Test {
  protected:
    void use(ConnectionPoolOptions options) {
        transport_ = std::make_unique<Transport>(
            *reactor_, pool_,
            TransportOptions{.connections = std::move(options), .user_agent = "test/1"});
    }
    Request request_to(const FakeServer& server) {
        return Request{.url = *parse_url(server.url() + "/x")};
    }
    // A whole exchange, body included.
    io::Task<Result<int>> exchange(Request request, io::Wait wait) {
        Response response = co_await io::or_return(co_await transport_->follow(request, wait));
        co_await io::or_return(co_await response.read_all(1000, wait));
        co_return response.status();
    }
    static io::Wait soon() { return {.deadline = io::deadline_in(kTestDeadline)}; }

    std::unique_ptr<io::Reactor> reactor_ = io::make_reactor();
    io::Pool pool_{1};
    std::unique_ptr<Transport> transport_;
};

TEST_F(TransportTest, names_its_user_agent_and_host) {
    FakeServer server([](const FakeRequest&) { return reply(200); });
    use({});
    ASSERT_TRUE(reactor_->block_on(exchange(request_to(server), soon())));
    EXPECT_EQ(server.requests().front().field("user-agent"), "test/1");
    EXPECT_EQ(server.requests().front().field("host"), server.host());
}

TEST_F(TransportTest, closes_idle_connections_after_their_time) {
    FakeServer server([](const FakeRequest&) { return reply(200); });
    use({.pooled_idle_timeout = milliseconds(10)});
    ASSERT_TRUE(reactor_->block_on(exchange(request_to(server), soon())));
    EXPECT_EQ(transport_->connections().idle_connections(), 1U);
    const io::Deadline give_up = io::deadline_in(kTestDeadline);
    while (transport_->connections().idle_connections() > 0 && io::Clock::now() < give_up) {
        const io::Wait moment{.deadline = io::deadline_in(milliseconds(5))};
        ASSERT_TRUE(reactor_->block_on(io::sleep(*reactor_, moment)));
    }
    EXPECT_EQ(transport_->connections().idle_connections(), 0U);
}

TEST_F(TransportTest, keeps_a_connection_of_which_only_a_short_body_was_read) {
    FakeServer server([](const FakeRequest&) { return reply(404, "not here"); });
    use({});
    const Request request = request_to(server);
    const io::Wait wait = soon();
    for (int i = 0; i < 3; ++i) {
        auto response = reactor_->block_on(transport_->exchange(request, wait));
        ASSERT_TRUE(response) << message_of(response);
        EXPECT_EQ(as_text(reactor_->block_on(response->read_short(wait))), "not here");
    }
    EXPECT_EQ(server.connections(), 1U);
}

TEST_F(TransportTest, response_may_outlive_the_transport) {
    FakeServer server([](const FakeRequest&) { return reply(200, "body"); });
    use({});
    const Request request = request_to(server);
    auto response = reactor_->block_on(transport_->exchange(request, soon()));
    ASSERT_TRUE(response) << message_of(response);
    transport_.reset();
    EXPECT_EQ(as_text(reactor_->block_on(response->read_all(100, soon())).value()), "body");
}

TEST_F(TransportTest, lanes_do_not_wait_for_each_other) {
    FakeServer server([](const FakeRequest&) { return reply(200, "body"); });
    use({.connections_per_lane = 1});
    Request request = request_to(server);
    const auto download = reactor_->block_on(transport_->exchange(request, soon()));
    ASSERT_TRUE(download) << message_of(download);
    // It holds the only download; the others get through.
    request.lane = Lane::upload;
    EXPECT_TRUE(reactor_->block_on(exchange(request, soon())));
    request.lane = Lane::token;
    EXPECT_TRUE(reactor_->block_on(exchange(request, soon())));
    request.lane = Lane::download;
    const auto waits =
        reactor_->block_on(exchange(request, {.deadline = io::deadline_in(milliseconds(20))}));
    EXPECT_EQ(code_of(waits), std::errc::timed_out);
}

TEST_F(TransportTest, sends_bodies_with_their_length) {
    FakeServer server([](const FakeRequest&) { return reply(200); });
    use({});
    Request request = request_to(server);
    request.method = "POST";
    request.body = "a=b";
    ASSERT_TRUE(reactor_->block_on(exchange(request, soon())));
    EXPECT_EQ(server.requests().front().body, "a=b");
    EXPECT_EQ(server.requests().front().field("content-length"), "3");
}

}  // namespace
}  // namespace lazybuild::registry
