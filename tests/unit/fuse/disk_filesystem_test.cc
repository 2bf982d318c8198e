// SPDX-License-Identifier: Apache-2.0
#include "fuse/disk_filesystem.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>
#include <string>

#include "tests/unit/fuse/fuse_requests.h"
#include "tests/unit/fuse/test_disks.h"

namespace lazybuild::fuse {
namespace {

using test::Answer;
using test::make_request;
using test::make_request_of;

constexpr std::uint64_t kRoot = 1;

class DiskFilesystemTest : public ::testing::Test {
  protected:
    Answer ask(const Bytes& bytes) {
        const auto request = decode_request(bytes);
        EXPECT_TRUE(request);
        filesystem_.handle(*request, port_);
        std::vector<Answer> answers = port_->take();
        EXPECT_EQ(answers.size(), 1U);
        EXPECT_EQ(answers.empty() ? 0 : answers[0].unique, 42U);
        return answers.empty() ? Answer{} : answers[0];
    }

    Answer look_up(std::string name, std::uint64_t node = kRoot) {
        name += '\0';
        return ask(make_request(FUSE_LOOKUP, node, as_bytes(name)));
    }

    Answer open(std::uint32_t opcode, std::uint64_t node, int flags = O_RDONLY) {
        fuse_open_in arguments{};
        arguments.flags = static_cast<std::uint32_t>(flags);
        return ask(make_request_of(opcode, node, arguments));
    }

    Answer read(std::uint64_t node, std::uint64_t offset_bytes, std::uint32_t size_bytes) {
        return ask(
            make_request_of(FUSE_READ, node, test::read_arguments(offset_bytes, size_bytes)));
    }

    /// One READDIR: names and node numbers, and where to go on.
    std::map<std::string, std::uint64_t> list(std::uint64_t& cookie, std::uint32_t size_bytes) {
        const Answer answer =
            ask(make_request_of(FUSE_READDIR, kRoot, test::read_arguments(cookie, size_bytes)));
        EXPECT_LE(answer.payload.size(), size_bytes);
        std::map<std::string, std::uint64_t> names;
        for (std::size_t at = 0; at < answer.payload.size();) {
            const ByteView rest = ByteView{answer.payload}.subspan(at);
            const auto size = load_le<std::uint32_t>(rest, offsetof(fuse_dirent, namelen));
            cookie = load_le<std::uint64_t>(rest, offsetof(fuse_dirent, off));
            const std::string name{as_text(rest.subspan(FUSE_NAME_OFFSET, size))};
            EXPECT_TRUE(names.try_emplace(name, load_le<std::uint64_t>(rest)).second);
            at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + size);
        }
        return names;
    }

    test::TestDisks disks_;
    DiskFilesystem filesystem_{disks_};
    std::shared_ptr<test::AnswerPort> port_ = std::make_shared<test::AnswerPort>();
};

TEST_F(DiskFilesystemTest, finds_disks_by_their_number_only) {
    disks_.add(17, 8192);
    const Answer answer = look_up("17");
    ASSERT_EQ(answer.payload.size(), sizeof(fuse_entry_out));
    fuse_entry_out entry;
    std::memcpy(&entry, answer.payload.data(), sizeof entry);
    EXPECT_EQ(entry.nodeid, 18U);
    EXPECT_EQ(entry.attr.ino, 18U);
    EXPECT_EQ(entry.attr.size, 8192U);
    EXPECT_EQ(entry.attr.blocks, 16U);
    EXPECT_EQ(entry.attr.mode, std::uint32_t{S_IFREG | 0400});
    EXPECT_GT(entry.entry_valid, 0U);
    EXPECT_GT(entry.attr_valid, 0U);
    for (const char* name : {"18", "017", "+17", "17 ", "-17", "0x11", "1.7", "0", "seventeen",
                             "18446744073709551615", "99999999999999999999"}) {
        EXPECT_EQ(look_up(name), (Answer{.unique = 42, .errno_value = ENOENT})) << name;
    }
    EXPECT_EQ(look_up("17", 18).errno_value, ENOTDIR);
}

TEST_F(DiskFilesystemTest, tells_attributes_of_the_root_and_of_disks) {
    disks_.add(1, 4096);
    const auto attributes_of = [&](std::uint64_t node) {
        fuse_attr_out reply{};
        const Answer answer = ask(make_request_of(FUSE_GETATTR, node, fuse_getattr_in{}));
        EXPECT_EQ(answer.payload.size(), sizeof reply);
        std::memcpy(&reply, answer.payload.data(), std::min(answer.payload.size(), sizeof reply));
        return reply.attr;
    };
    EXPECT_EQ(attributes_of(kRoot).mode, std::uint32_t{S_IFDIR | 0700});
    EXPECT_EQ(attributes_of(2).mode, std::uint32_t{S_IFREG | 0400});
    EXPECT_EQ(attributes_of(2).size, 4096U);
    for (std::uint64_t node : {std::uint64_t{0}, std::uint64_t{3}, ~std::uint64_t{0}}) {
        EXPECT_EQ(ask(make_request_of(FUSE_GETATTR, node, fuse_getattr_in{})).errno_value, ENOENT);
    }
}

TEST_F(DiskFilesystemTest, opens_what_is_there_for_reading) {
    disks_.add(1, 4096);
    EXPECT_EQ(open(FUSE_OPEN, 2).errno_value, 0);
    EXPECT_EQ(open(FUSE_OPEN, 2).payload.size(), sizeof(fuse_open_out));
    EXPECT_EQ(open(FUSE_OPEN, 2, O_RDWR).errno_value, EROFS);
    EXPECT_EQ(open(FUSE_OPEN, 3).errno_value, ENOENT);
    EXPECT_EQ(open(FUSE_OPEN, kRoot).errno_value, EISDIR);
    EXPECT_EQ(open(FUSE_OPENDIR, 2).errno_value, ENOTDIR);
    EXPECT_EQ(open(FUSE_OPENDIR, kRoot).errno_value, 0);
}

TEST_F(DiskFilesystemTest, hands_reads_to_the_backend_clipped_to_the_disk) {
    disks_.add(1, 8192);
    EXPECT_EQ(read(2, 100, 50).payload.size(), 50U);
    EXPECT_EQ(read(2, 100, 50).payload[0], test::TestDisks::expected_byte(1, 100));
    EXPECT_EQ(read(2, 8000, 4096).payload.size(), 192U);
    EXPECT_EQ(disks_.asked().back().size_bytes, 192U);
    const std::size_t asked = disks_.asked().size();
    for (std::uint64_t offset_bytes :
         {std::uint64_t{8192}, std::uint64_t{8193}, ~std::uint64_t{0}}) {
        EXPECT_EQ(read(2, offset_bytes, 4096), (Answer{.unique = 42}));
    }
    EXPECT_EQ(read(2, 0, 0), (Answer{.unique = 42}));
    EXPECT_EQ(read(2, 0, kReadBytesMax + 1).errno_value, EINVAL);
    EXPECT_EQ(read(3, 0, 1).errno_value, ENOENT);
    EXPECT_EQ(read(kRoot, 0, 1).errno_value, ENOENT);
    EXPECT_EQ(read(0, 0, 1).errno_value, ENOENT);
    EXPECT_EQ(disks_.asked().size(), asked);
}

TEST_F(DiskFilesystemTest, lists_disks_in_pieces_without_losing_any) {
    for (DiskNumber disk = 1; disk <= 300; ++disk) {
        disks_.add(disk * 7, 4096);
    }
    std::uint64_t cookie = 0;
    std::map<std::string, std::uint64_t> names;
    for (;;) {
        auto more = list(cookie, 500);
        if (more.empty()) {
            break;
        }
        for (const auto& [name, node] : more) {
            EXPECT_TRUE(names.try_emplace(name, node).second) << name;
        }
        // Disks that come and go meanwhile hide and double nothing else.
        disks_.remove(7);
        disks_.add(1, 4096);
    }
    EXPECT_EQ(names.size(), 302U);
    EXPECT_EQ(names.at("."), kRoot);
    EXPECT_EQ(names.at("2100"), 2101U);
}

TEST_F(DiskFilesystemTest, refuses_to_list_a_disk) {
    disks_.add(1, 4096);
    EXPECT_EQ(ask(make_request_of(FUSE_READDIR, 2, test::read_arguments(0, 4096))).errno_value,
              ENOTDIR);
}

TEST_F(DiskFilesystemTest, answers_what_it_does_not_do_with_enosys) {
    for (std::uint32_t opcode :
         {FUSE_WRITE, FUSE_FLUSH, FUSE_ACCESS, FUSE_INTERRUPT, FUSE_GETXATTR, FUSE_IOCTL}) {
        EXPECT_EQ(ask(make_request(opcode, 2, {})), (Answer{.unique = 42, .errno_value = ENOSYS}));
    }
    EXPECT_EQ(ask(make_request(FUSE_RELEASE, 2, {})), (Answer{.unique = 42}));
    EXPECT_EQ(ask(make_request(FUSE_DESTROY, 0, {})), (Answer{.unique = 42}));
}

TEST_F(DiskFilesystemTest, answers_no_forgets) {
    for (std::uint32_t opcode : {FUSE_FORGET, FUSE_BATCH_FORGET}) {
        const auto request = decode_request(make_request(opcode, 2, Bytes(8)));
        ASSERT_TRUE(request);
        filesystem_.handle(*request, port_);
        EXPECT_TRUE(port_->take().empty());
    }
}

TEST(ReadReply, answers_eio_when_it_is_dropped) {
    auto port = std::make_shared<test::AnswerPort>();
    {
        const ReadReply reply{port, 5, 10};
    }
    EXPECT_EQ(port->take(), (std::vector<Answer>{{.unique = 5, .errno_value = EIO}}));
}

TEST(ReadReply, answers_once_when_it_is_moved) {
    auto port = std::make_shared<test::AnswerPort>();
    {
        ReadReply first{port, 5, 2};
        ReadReply second{std::move(first)};
        second.data(as_bytes("ab"));
    }
    EXPECT_EQ(port->take().size(), 1U);
    {
        ReadReply kept{port, 6, 2};
        kept = ReadReply{port, 7, 2};  // what was there is dropped
        kept.error(ENOENT);
    }
    EXPECT_EQ(port->take(), (std::vector<Answer>{{.unique = 6, .errno_value = EIO},
                                                 {.unique = 7, .errno_value = ENOENT}}));
}

TEST(ReadReplyDeathTest, refuses_short_and_second_answers) {
    auto port = std::make_shared<test::AnswerPort>();
    EXPECT_DEATH((ReadReply{port, 5, 2}.data(as_bytes("a"))), "assertion failed");
    ReadReply reply{port, 5, 1};
    reply.data(as_bytes("a"));
    EXPECT_DEATH(reply.error(EIO), "assertion failed");
}

fuse_init_out negotiated(const InitRequest& request, unsigned max_background) {
    const auto reply = negotiate(request, max_background);
    EXPECT_TRUE(reply);
    fuse_init_out out{};
    EXPECT_EQ(reply->payload.size(), sizeof out);
    std::memcpy(&out, reply->payload.data(), sizeof out);
    return out;
}

TEST(Negotiate, takes_only_what_the_kernel_offers) {
    const fuse_init_out out = negotiated(
        {.major = 7, .minor = 45, .max_readahead_bytes = 1 << 17, .flags = FUSE_MAX_PAGES}, 4096);
    EXPECT_EQ(out.major, 7U);
    EXPECT_LE(out.minor, 45U);
    EXPECT_EQ(out.flags, std::uint32_t{FUSE_MAX_PAGES});
    EXPECT_EQ(out.max_background, 4096U);
    EXPECT_EQ(out.congestion_threshold, 3072U);
    EXPECT_EQ(out.max_readahead, 1U << 17);
    const fuse_init_out all =
        negotiated({.major = 7, .minor = 45, .max_readahead_bytes = 0, .flags = ~0U}, 65535);
    EXPECT_EQ(all.flags & FUSE_ASYNC_DIO, std::uint32_t{FUSE_ASYNC_DIO});
    EXPECT_EQ(all.flags & FUSE_WRITEBACK_CACHE, 0U);
    EXPECT_EQ(all.max_background, 65535U);
}

TEST(Negotiate, learns_whether_requests_can_be_sent_again) {
    InitRequest request{
        .major = 7, .minor = 45, .flags = FUSE_MAX_PAGES | FUSE_INIT_EXT | kFuseHasResend};
    EXPECT_TRUE(negotiate(request, 4096)->resend);
    EXPECT_EQ(negotiated(request, 4096).flags2, kFuseHasResend >> 32);
    request.flags &= ~kFuseHasResend;
    EXPECT_FALSE(negotiate(request, 4096)->resend);
    EXPECT_EQ(negotiated(request, 4096).flags2, 0U);
}

TEST(Negotiate, refuses_kernels_that_are_too_old) {
    EXPECT_FALSE(negotiate({.major = 7, .minor = 30}, 4096));
    EXPECT_FALSE(negotiate({.major = 6, .minor = 45}, 4096));
}

}  // namespace
}  // namespace lazybuild::fuse
