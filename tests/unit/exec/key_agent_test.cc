// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/key_agent.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "base/fd.h"
#include "base/unix_socket.h"
#include "builder/exec/agent_proxy.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::exec {
namespace {

/// How many keys an agent has, by its protocol (draft-miller-ssh-agent, 4.4).
int keys_of(const std::string& socket) {
    constexpr std::array<unsigned char, 5> kRequestIdentities{0, 0, 0, 1, 11};
    const auto address = unix_socket_address(socket);
    const Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    std::array<unsigned char, 9> answer{};
    const bool asked =
        ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0 &&
        ::send(fd.get(), kRequestIdentities.data(), kRequestIdentities.size(), MSG_NOSIGNAL) == 5 &&
        ::recv(fd.get(), answer.data(), answer.size(), MSG_WAITALL) == 9 && answer[4] == 12;
    return asked ? answer[8] : -1;
}

class KeyAgentTest : public testing::Test {
  protected:
    void SetUp() override {
        if (::access("/usr/bin/ssh-agent", X_OK) != 0) {
            GTEST_SKIP() << "no ssh-agent";
        }
        directory_.run(
            "mkdir private && for k in one two; do ssh-keygen -q -t ed25519 -N '' -f $k; done && "
            "ssh-keygen -q -t ed25519 -N secret -f locked && echo x >none && chmod 600 none");
    }
    Result<std::unique_ptr<KeyAgent>> start(const std::vector<std::string>& names) {
        std::vector<std::string> keys;
        for (const std::string& name : names) {
            keys.push_back(directory_ / name);
        }
        return KeyAgent::start(directory_ / "private", keys);
    }

    const test::TempDir directory_;
};

TEST_F(KeyAgentTest, has_the_keys_for_who_goes_through_the_proxy_until_it_ends) {
    std::string socket;
    {
        const auto agent = start({"one", "two"});
        ASSERT_TRUE(agent) << agent.error().message;
        socket = (*agent)->socket();
        EXPECT_EQ(keys_of(socket), 2);
        const auto proxy = AgentProxy::start({.agent = socket, .socket = directory_ / "proxy"});
        ASSERT_TRUE(proxy) << proxy.error().message;
        EXPECT_EQ(keys_of(directory_ / "proxy"), 2);
        directory_.run("SSH_AUTH_SOCK=$PWD/proxy ssh-add -L >listed");
        EXPECT_NE(directory_.read("listed").find("ssh-ed25519"), std::string::npos);
    }
    EXPECT_EQ(keys_of(socket), -1);
    EXPECT_TRUE(std::filesystem::is_empty(directory_ / "private"));
}

TEST_F(KeyAgentTest, ends_with_the_thread_that_started_it) {
    std::unique_ptr<KeyAgent> agent;
    std::jthread{[&] { agent = start({"one"}).value_or(nullptr); }}.join();
    ASSERT_NE(agent, nullptr);
    int looks = 0;
    while (keys_of(agent->socket()) != -1 && ++looks < 1000) {
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    EXPECT_LT(looks, 1000);
}

TEST_F(KeyAgentTest, says_what_is_wrong_with_a_key) {
    const auto locked = start({"one", "locked"});
    ASSERT_FALSE(locked);
    EXPECT_NE(locked.error().message.find("locked: a key with a passphrase"), std::string::npos)
        << locked.error().message;
    const auto none = start({"none"});
    ASSERT_FALSE(none);
    EXPECT_NE(none.error().message.find("none: not a key"), std::string::npos)
        << none.error().message;
    EXPECT_TRUE(std::filesystem::is_empty(directory_ / "private"));
}

TEST_F(KeyAgentTest, works_where_paths_are_long) {
    const std::string deep = directory_ / std::string(150, 'd');
    std::filesystem::create_directory(deep);
    const auto agent = KeyAgent::start(deep, {directory_ / "one"});
    ASSERT_TRUE(agent) << agent.error().message;
    EXPECT_EQ(keys_of((*agent)->socket()), 1);
}

}  // namespace
}  // namespace lazybuild::exec
