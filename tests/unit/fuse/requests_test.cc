// SPDX-License-Identifier: Apache-2.0
#include "fuse/requests.h"

#include <gtest/gtest.h>
#include <linux/fuse.h>

#include <string>

#include "tests/unit/fuse/fuse_requests.h"

namespace lazybuild::fuse {
namespace {

using test::make_request;
using test::make_request_of;

TEST(Requests, decodes_a_read) {
    const auto request =
        decode_request(make_request_of(FUSE_READ, 8, test::read_arguments(4096, 8192), 77));
    ASSERT_TRUE(request);
    EXPECT_EQ(request->unique, 77U);
    EXPECT_EQ(request->node, 8U);
    const auto* read = std::get_if<ReadRequest>(&request->body);
    ASSERT_NE(read, nullptr);
    EXPECT_EQ(read->offset_bytes, 4096U);
    EXPECT_EQ(read->size_bytes, 8192U);
    EXPECT_FALSE(read->directory);
}

TEST(Requests, decodes_a_lookup_up_to_its_nul) {
    const auto bytes = make_request(FUSE_LOOKUP, 1, as_bytes({"17\0junk", 7}));
    const auto request = decode_request(bytes);
    ASSERT_TRUE(request);
    EXPECT_EQ(std::get<LookupRequest>(request->body).name, "17");
}

TEST(Requests, decodes_inits_of_old_and_new_kernels) {
    Bytes arguments(16);
    store_le<std::uint32_t>(arguments, 0, 7);
    store_le<std::uint32_t>(arguments, 4, 31);
    store_le<std::uint32_t>(arguments, 8, 1 << 17);
    store_le<std::uint32_t>(arguments, 12, FUSE_MAX_PAGES);
    for (std::size_t size : {16U, 64U, 200U}) {
        arguments.resize(size);
        const auto request = decode_request(make_request(FUSE_INIT, 0, arguments));
        ASSERT_TRUE(request) << size;
        const auto& init = std::get<InitRequest>(request->body);
        EXPECT_EQ(init.minor, 31U);
        EXPECT_EQ(init.max_readahead_bytes, 1U << 17);
        EXPECT_EQ(init.flags, std::uint32_t{FUSE_MAX_PAGES});
    }
}

TEST(Requests, takes_unknown_operations_for_other) {
    for (std::uint32_t opcode : {0U, unsigned{FUSE_WRITE}, unsigned{FUSE_IOCTL}, 52U, ~0U}) {
        const auto request = decode_request(make_request(opcode, 1, {}));
        ASSERT_TRUE(request);
        EXPECT_TRUE(std::holds_alternative<OtherRequest>(request->body));
    }
}

TEST(Requests, refuses_every_truncation) {
    const std::vector<Bytes> whole{
        make_request_of(FUSE_READ, 2, test::read_arguments(0, 1)),
        make_request_of(FUSE_READDIR, 1, test::read_arguments(0, 1)),
        make_request_of(FUSE_OPEN, 2, fuse_open_in{}),
        make_request_of(FUSE_OPENDIR, 1, fuse_open_in{}),
        make_request(FUSE_LOOKUP, 1, as_bytes({"17\0", 3})),
        make_request(FUSE_INIT, 0, Bytes(16)),
    };
    for (const Bytes& bytes : whole) {
        EXPECT_TRUE(decode_request(bytes));
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            Bytes shorter{bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)};
            EXPECT_FALSE(decode_request(shorter)) << size;
            if (size >= sizeof(fuse_in_header)) {
                store_le<std::uint32_t>(shorter, 0, static_cast<std::uint32_t>(size));
                const auto request = decode_request(shorter);
                EXPECT_FALSE(request) << size;
                EXPECT_EQ(request.error().code, std::errc::bad_message);
            }
        }
    }
}

TEST(Requests, refuses_a_length_that_is_not_the_requests) {
    Bytes bytes = make_request(FUSE_STATFS, 1, {});
    store_le<std::uint32_t>(bytes, 0, static_cast<std::uint32_t>(bytes.size() + 1));
    EXPECT_FALSE(decode_request(bytes));
}

TEST(Requests, refuses_names_without_end_or_without_letters) {
    EXPECT_FALSE(decode_request(make_request(FUSE_LOOKUP, 1, as_bytes("17"))));
    EXPECT_FALSE(decode_request(make_request(FUSE_LOOKUP, 1, as_bytes({"\0", 1}))));
}

TEST(Requests, finds_whom_to_refuse) {
    EXPECT_EQ(request_unique(make_request(FUSE_READ, 1, {}, 99)), 99U);
    EXPECT_FALSE(request_unique(Bytes(sizeof(fuse_in_header) - 1)));
}

}  // namespace
}  // namespace lazybuild::fuse
