// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/agent_proxy.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <thread>

#include "base/fd.h"
#include "base/unix_socket.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::exec {
namespace {

Fd connect_to(const std::string& path) {
    const auto address = unix_socket_address(path);
    Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address), 0)
        << path;
    return fd;
}

std::string receive(int fd, std::size_t bytes) {
    std::string text(bytes, '\0');
    const ssize_t received = ::recv(fd, text.data(), bytes, MSG_WAITALL);
    text.resize(received < 0 ? 0 : static_cast<std::size_t>(received));
    return text;
}

/// Answers every connection with what it was sent, in upper case, until it is gone.
class AgentProxy : public ::testing::Test {
  protected:
    void SetUp() override {
        const auto address = unix_socket_address(directory_ / "agent");
        listener_ = Fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        ASSERT_EQ(
            ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address),
            0);
        ASSERT_EQ(::listen(listener_.get(), 8), 0);
        auto proxy = exec::AgentProxy::start(
            {.agent = directory_ / "agent", .socket = directory_ / "proxy", .mode = 0640});
        ASSERT_TRUE(proxy) << proxy.error().message;
        proxy_ = *std::move(proxy);
        probe_ = accept();  // start() looks whether the agent is there
    }
    Fd accept() const { return Fd{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)}; }

    test::TempDir directory_;
    Fd listener_, probe_;
    std::unique_ptr<exec::AgentProxy> proxy_;
};

TEST_F(AgentProxy, passes_bytes_both_ways) {
    const Fd client = connect_to(directory_ / "proxy");
    const Fd agent = accept();
    const std::string request(300'000, 'q');
    std::jthread sender{[&] { EXPECT_TRUE(write_all(client.get(), as_bytes(request))); }};
    EXPECT_EQ(receive(agent.get(), request.size()), request);
    ASSERT_TRUE(write_all(agent.get(), as_bytes("answer")));
    EXPECT_EQ(receive(client.get(), 6), "answer");
}

TEST_F(AgentProxy, keeps_connections_apart_and_ends_them_together) {
    Fd first = connect_to(directory_ / "proxy");
    const Fd first_agent = accept();
    const Fd second = connect_to(directory_ / "proxy");
    const Fd second_agent = accept();
    ASSERT_TRUE(write_all(second.get(), as_bytes("two")));
    EXPECT_EQ(receive(second_agent.get(), 3), "two");
    first.reset();
    EXPECT_EQ(receive(first_agent.get(), 1), "");
    ASSERT_TRUE(write_all(second_agent.get(), as_bytes("yes")));
    EXPECT_EQ(receive(second.get(), 3), "yes");
    proxy_.reset();
    EXPECT_EQ(receive(second.get(), 1), "");
}

TEST_F(AgentProxy, gives_its_socket_the_mode_that_was_asked_for) {
    struct stat status{};
    ASSERT_EQ(::stat((directory_ / "proxy").c_str(), &status), 0);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
    EXPECT_EQ(status.st_mode & 07777, 0640U);
}

TEST_F(AgentProxy, says_which_agent_is_not_there) {
    const auto none =
        exec::AgentProxy::start({.agent = directory_ / "none", .socket = directory_ / "other"});
    ASSERT_FALSE(none);
    EXPECT_NE(none.error().message.find(directory_ / "none"), std::string::npos);
}

}  // namespace
}  // namespace lazybuild::exec
