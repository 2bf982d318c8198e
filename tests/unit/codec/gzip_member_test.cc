// SPDX-License-Identifier: Apache-2.0
#include "codec/gzip_member.h"

#include <gtest/gtest.h>

#include "codec/gzip.h"
#include "gzip_oracle.h"

namespace lazybuild::codec {
namespace {

using test::noise_bytes;
using test::text_bytes;

TEST(MemberCompressor, makes_members_that_zlib_reads_at_every_level) {
    for (int level = kMemberLevelMin; level <= kMemberLevelMax; ++level) {
        MemberCompressor compressor(level);
        for (const Bytes& text :
             {Bytes{}, Bytes(1), Bytes(1 << 20), text_bytes(300'000, 1), noise_bytes(300'000, 2)}) {
            Bytes out(3);  // it appends
            compressor.append(text, out);
            const ByteView member = ByteView{out}.subspan(3);
            EXPECT_TRUE(std::ranges::equal(member.first(kMemberHeader.size()), kMemberHeader));
            const auto inflated = test::zlib_gunzip(member);
            ASSERT_TRUE(inflated) << level;
            EXPECT_TRUE(*inflated == text) << level;
        }
    }
}

TEST(MemberCompressor, gives_equal_bytes_whatever_came_before) {
    const Bytes text = text_bytes(200'000, 1);
    for (int level = kMemberLevelMin; level <= kMemberLevelMax; ++level) {
        Bytes first;
        MemberCompressor{level}.append(text, first);
        MemberCompressor compressor(level);
        Bytes unwanted;
        compressor.append(text_bytes(500'000, 2), unwanted);
        Bytes second;
        compressor.append(text, second);
        EXPECT_TRUE(first == second) << level;
    }
}

TEST(MemberCompressor, makes_them_smaller_at_higher_levels) {
    const Bytes text = text_bytes(1'000'000, 1);
    const auto size_at = [&text](int level) {
        Bytes out;
        MemberCompressor{level}.append(text, out);
        return out.size();
    };
    EXPECT_LT(size_at(kMemberLevelDefault), size_at(kGzipLevelMax));
    EXPECT_LT(size_at(kMemberLevelMax), size_at(kMemberLevelDefault));
}

}  // namespace
}  // namespace lazybuild::codec
