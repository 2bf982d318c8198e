// SPDX-License-Identifier: Apache-2.0
#include "keeper/message.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

namespace lazybuild::keeper {
namespace {

class MessageTest : public ::testing::Test {
  protected:
    void SetUp() override {
        int numbers[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, numbers), 0);
        ours_ = Fd{numbers[0]};
        theirs_ = Fd{numbers[1]};
    }
    Fd ours_, theirs_;
};

TEST_F(MessageTest, arrives_as_it_was_sent) {
    const Fd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    const int number = null.get();
    ASSERT_TRUE(send_message(ours_.get(), {.kind = Kind::put,
                                           .errno_value = 5,
                                           .name = std::string_view{"/a\0b", 4},
                                           .descriptors = {&number, 1}}));
    const auto message = receive_message(theirs_.get());
    ASSERT_TRUE(message.has_value() && message->has_value());
    EXPECT_EQ((*message)->kind, Kind::put);
    EXPECT_EQ((*message)->errno_value, 5);
    EXPECT_EQ((*message)->name, (std::string{"/a\0b", 4}));
    ASSERT_EQ((*message)->descriptors.size(), 1U);
    EXPECT_EQ(::fcntl((*message)->descriptors[0].get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(MessageTest, has_the_layout_that_the_header_says) {
    ASSERT_TRUE(send_message(ours_.get(), {.kind = Kind::drop, .errno_value = -1, .name = "n"}));
    char bytes[64];
    ASSERT_EQ(::recv(theirs_.get(), bytes, sizeof bytes, 0), 17);
    EXPECT_EQ(std::string(bytes, 17),
              (std::string{"LZKP\x01\0\x03\0\xff\xff\xff\xff\0\0\0\0n", 17}));
}

TEST_F(MessageTest, the_end_is_not_a_message) {
    ours_.reset();
    const auto message = receive_message(theirs_.get());
    ASSERT_TRUE(message.has_value());
    EXPECT_FALSE(message->has_value());
}

}  // namespace
}  // namespace lazybuild::keeper
