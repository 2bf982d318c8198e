// SPDX-License-Identifier: Apache-2.0
// What clients may do to a keeper without its clients noticing.
#include "keeper/server.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>
#include <random>
#include <vector>

#include "tests/unit/keeper/keeper_fixture.h"

namespace lazybuild::keeper {
namespace {

class ServerTest : public KeeperTest {
  protected:
    void SetUp() override {
        KeeperTest::SetUp();
        good_ = std::make_unique<Client>(client());
        put(*good_, "/good", "kept");
    }
    /// Whatever went before: the good client is served, and has lost nothing.
    void expect_unharmed() { EXPECT_EQ(take(*good_, "/good"), "kept"); }

    static std::size_t open_descriptors() {
        std::size_t count = 0;
        const std::filesystem::directory_iterator end;
        for (std::filesystem::directory_iterator entry{"/proc/self/fd"}; entry != end; ++entry) {
            ++count;
        }
        return count;
    }
    static std::vector<std::byte> header(std::uint16_t version, std::uint16_t kind) {
        std::vector<std::byte> bytes(kHeaderBytes);
        std::memcpy(bytes.data(), "LZKP", 4);
        store_le<std::uint16_t>(bytes, 4, version);
        store_le<std::uint16_t>(bytes, 6, kind);
        return bytes;
    }
    static void send(const Fd& socket, ByteView bytes) {
        EXPECT_EQ(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
    }

    std::unique_ptr<Client> good_;
};

TEST_F(ServerTest, throws_out_who_sends_garbage) {
    std::mt19937 random{7};
    std::vector<std::vector<std::byte>> messages{
        header(kVersion + 1, 1),
        header(kVersion, 0),
        header(kVersion, 5),
        header(kVersion, 4),
        std::vector<std::byte>(kMessageBytesMax + 1, std::byte{'L'}),
        std::vector<std::byte>(60'000, std::byte{0})};
    messages.push_back({std::byte{'L'}, std::byte{'Z'}});
    for (int i = 0; i < 50; ++i) {
        messages.emplace_back(1 + random() % 2000);
        for (std::byte& byte : messages.back()) {
            byte = static_cast<std::byte>(random());
        }
    }
    for (const std::vector<std::byte>& message : messages) {
        const Fd socket = raw();
        send(socket, message);
        EXPECT_TRUE(is_thrown_out(socket)) << message.size();
    }
    expect_unharmed();
}

TEST_F(ServerTest, too_many_descriptors_are_refused_and_closed) {
    const Fd file = memory("x");
    const std::size_t before = open_descriptors();
    for (const std::size_t count : {kDescriptorsMax + 1, kDescriptorsMax + 2, std::size_t{200}}) {
        const Fd socket = raw();
        std::vector<std::byte> bytes = header(kVersion, 2);
        bytes.push_back(std::byte{'n'});
        iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
        const std::vector<int> numbers(count, file.get());
        std::vector<std::byte> control(CMSG_SPACE(count * sizeof(int)));
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(count * sizeof(int));
        std::memcpy(CMSG_DATA(rights), numbers.data(), count * sizeof(int));
        ASSERT_GT(::sendmsg(socket.get(), &message, MSG_NOSIGNAL), 0);
        EXPECT_TRUE(is_thrown_out(socket)) << count;
    }
    expect_unharmed();
    EXPECT_EQ(open_descriptors(), before);  // the keeper is in this process
    EXPECT_EQ(take(*good_, "n"), "<nothing>");
}

TEST_F(ServerTest, descriptors_with_a_question_that_needs_none_are_closed) {
    const std::size_t before = open_descriptors();
    {
        const Fd file = memory("x");
        const int number = file.get();
        const Fd socket = raw();
        for (const Kind kind : {Kind::take, Kind::drop}) {
            ASSERT_TRUE(send_message(socket.get(),
                                     {.kind = kind, .name = "/n", .descriptors = {&number, 1}}));
            EXPECT_TRUE(receive_message(socket.get()).has_value());
        }
    }
    expect_unharmed();
    EXPECT_LE(open_descriptors(), before + 1);  // the connection may not have been looked at yet
}

TEST_F(ServerTest, clients_that_come_and_go_or_never_read_hold_nobody_up) {
    for (int i = 0; i < 100; ++i) {
        const Fd socket = raw();
        if (i % 2 == 0) {
            send(socket, header(kVersion, 1));
        }
    }
    const Fd deaf = raw();
    std::vector<std::byte> question = header(kVersion, 1);
    for (int i = 0; i < 10'000; ++i) {
        if (::send(deaf.get(), question.data(), question.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            break;
        }
    }
    expect_unharmed();
}

TEST_F(ServerTest, names_and_clients_are_limited) {
    for (std::size_t i = 1; i < kNamesMax; ++i) {
        put(*good_, "/" + std::to_string(i), "x");
    }
    const Fd file = memory("x");
    const int number = file.get();
    EXPECT_FALSE(good_->put("/one-more", {&number, 1}).has_value());
    put(*good_, "/good", "kept");  // in place of the old one
    expect_unharmed();

    std::vector<Fd> others;
    for (std::size_t i = 1; i < kClientsMax; ++i) {
        others.push_back(raw());
        send(others.back(), header(kVersion, 1));
        EXPECT_TRUE(receive_message(others.back().get()).has_value());
    }
    EXPECT_TRUE(is_thrown_out(raw()));
    others.clear();
    expect_unharmed();
}

TEST_F(ServerTest, serves_root_alone) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "needs root, to become somebody else";
    }
    struct stat status{};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    // Even where somebody has opened the way to it.
    ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
    ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        constexpr uid_t kNobody = 65534;
        if (::setresuid(kNobody, kNobody, kNobody) != 0) {
            ::_exit(1);
        }
        const Fd socket = raw();
        ::_exit(is_thrown_out(socket) ? 0 : 2);
    }
    int child_status = 0;
    ASSERT_EQ(::waitpid(child, &child_status, 0), child);
    EXPECT_EQ(child_status, 0);
    expect_unharmed();
}

TEST_F(ServerTest, takes_the_place_of_a_dead_keeper_but_not_of_a_living_one) {
    const auto second = Server::listen(path_);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, std::errc::address_in_use);
    expect_unharmed();
    ASSERT_EQ(::rename(path_.c_str(), (path_ + ".old").c_str()), 0);
    stop();
    ASSERT_EQ(::rename((path_ + ".old").c_str(), path_.c_str()), 0);  // as after a kill
    start();
    Client one = client();
    EXPECT_EQ(take(one, "/good"), "<nothing>");
}

}  // namespace
}  // namespace lazybuild::keeper
