// SPDX-License-Identifier: Apache-2.0
// A keeper on a thread of the test, and sockets that speak to it as they like.
#pragma once

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>

#include "base/unix_socket.h"
#include "keeper/client.h"
#include "keeper/server.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::keeper {

class KeeperTest : public ::testing::Test {
  protected:
    void SetUp() override { start(); }
    void TearDown() override { stop(); }

    void start() {
        auto server = Server::listen(path_);
        ASSERT_TRUE(server.has_value()) << server.error().message;
        server_ = *std::move(server);
        stop_ = Fd{::eventfd(0, EFD_CLOEXEC)};
        thread_ = std::thread{[this] { EXPECT_TRUE(server_->run(stop_.get()).has_value()); }};
    }
    void stop() {
        if (thread_.joinable()) {
            ::eventfd_write(stop_.get(), 1);
            thread_.join();
            server_.reset();
        }
    }

    Client client() {
        auto connected = Client::connect(path_);
        EXPECT_TRUE(connected.has_value()) << connected.error().message;
        return *std::move(connected);
    }
    /// A connection that obeys no protocol. Reads end after 5 s.
    Fd raw() const {
        Fd socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
        const sockaddr_un address = unix_socket_address(path_).value();
        EXPECT_EQ(
            ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
            0);
        const timeval patience{.tv_sec = 5, .tv_usec = 0};
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        return socket;
    }
    static bool is_thrown_out(const Fd& socket) {
        char byte = 0;
        const ssize_t count = ::recv(socket.get(), &byte, 1, 0);
        return count == 0 || (count < 0 && errno == ECONNRESET);
    }

    /// A file in memory with this text, and what such a descriptor says.
    static Fd memory(const std::string& text) {
        Fd file{::memfd_create("test", MFD_CLOEXEC)};
        EXPECT_TRUE(write_all(file.get(), as_bytes(text)).has_value());
        return file;
    }
    static std::string text_of(const Fd& file) {
        std::string text(100, '\0');
        const ssize_t count = ::pread(file.get(), text.data(), text.size(), 0);
        return count < 0 ? "<unreadable>" : text.substr(0, static_cast<std::size_t>(count));
    }
    static void put(Client& client, const std::string& name, const std::string& text) {
        const Fd file = memory(text);
        const int number = file.get();
        const auto done = client.put(name, {&number, 1});
        EXPECT_TRUE(done.has_value()) << done.error().message;
    }
    static std::string take(Client& client, const std::string& name) {
        const auto taken = client.take(name);
        EXPECT_TRUE(taken.has_value()) << taken.error().message;
        return taken && !taken->empty() ? text_of(taken->front()) : "<nothing>";
    }

    test::TempDir directory_;
    const std::string path_ = directory_.path() + "/run/keeper.sock";
    std::unique_ptr<Server> server_;
    Fd stop_;
    std::thread thread_;
};

}  // namespace lazybuild::keeper
