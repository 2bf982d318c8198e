// SPDX-License-Identifier: Apache-2.0
#include "base/notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/fd.h"

namespace lazybuild {
namespace {

class Notify : public ::testing::Test {
  protected:
    ~Notify() override { ::unsetenv("NOTIFY_SOCKET"); }

    /// What arrives at `address` when "READY=1" is sent there.
    static std::string notified_at(const std::string& address) {
        const Fd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        std::memcpy(name.sun_path, address.data(), address.size());
        if (address[0] == '@') {
            name.sun_path[0] = '\0';
        }
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
        EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&name), size), 0);
        ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
        EXPECT_TRUE(notify_service_manager("READY=1").has_value());
        char text[64];
        const ssize_t count = ::recv(socket.get(), text, sizeof text, 0);
        return count < 0 ? "<nothing>" : std::string(text, static_cast<std::size_t>(count));
    }
};

TEST_F(Notify, reaches_a_socket_file_and_an_abstract_socket) {
    const std::string name = "lazy-notify-test-" + std::to_string(::getpid());
    EXPECT_EQ(notified_at("/tmp/" + name), "READY=1");
    ::unlink(("/tmp/" + name).c_str());
    EXPECT_EQ(notified_at("@" + name), "READY=1");
}

TEST_F(Notify, is_silent_without_a_service_manager_and_refuses_nonsense) {
    ::unsetenv("NOTIFY_SOCKET");
    EXPECT_TRUE(notify_service_manager("READY=1").has_value());
    ::setenv("NOTIFY_SOCKET", "relative", 1);
    EXPECT_FALSE(notify_service_manager("READY=1").has_value());
    ::setenv("NOTIFY_SOCKET", "/nowhere/socket", 1);
    EXPECT_FALSE(notify_service_manager("READY=1").has_value());
}

}  // namespace
}  // namespace lazybuild
