// SPDX-License-Identifier: Apache-2.0
#include "codec/layer_unpack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "codec/gzip_member.h"

namespace lazybuild::codec {
namespace {

Result<void> unpack(ByteView blob, MemorySink& tar, std::size_t piece_bytes) {
    LayerUnpacker unpacker{tar};
    for (std::size_t at = 0; at < blob.size(); at += piece_bytes) {
        CHECK_OK(unpacker.write(blob.subspan(at, std::min(piece_bytes, blob.size() - at))));
    }
    return unpacker.finish();
}

Bytes gzip_of(std::string_view text) {
    Bytes blob;
    MemberCompressor{6}.append(as_bytes(text), blob);
    return blob;
}
Bytes zstd_of(std::string_view text) {
    Bytes blob;
    ZstdFrameCompressor{3}.append(as_bytes(text), blob);
    return blob;
}
Bytes plain(std::string_view text) {
    return {as_bytes(text).begin(), as_bytes(text).end()};
}

TEST(LayerUnpacker, sees_the_compression_by_the_first_bytes_however_they_come) {
    const std::string text(100'000, 'a');
    for (const Bytes& blob : {gzip_of(text), zstd_of(text), plain(text), plain("abc"), plain("")}) {
        for (const std::size_t piece : {1UL, 3UL, 100UL, 1'000'000UL}) {
            MemorySink tar;
            const auto unpacked = unpack(blob, tar, piece);
            ASSERT_TRUE(unpacked) << unpacked.error().message;
            EXPECT_TRUE(as_text(tar.bytes()) == text || tar.bytes() == blob);
        }
    }
}

TEST(LayerUnpacker, says_what_it_has_seen) {
    MemorySink tar;
    LayerUnpacker gzip{tar};
    LayerUnpacker zstd{tar};
    LayerUnpacker none{tar};
    ASSERT_TRUE(gzip.write(gzip_of("text")) && zstd.write(zstd_of("text")) &&
                none.write(plain("text")));
    EXPECT_EQ(gzip.compression(), Compression::gzip);
    EXPECT_EQ(zstd.compression(), Compression::zstd);
    EXPECT_EQ(none.compression(), Compression::none);
}

TEST(LayerUnpacker, refuses_what_is_cut_off) {
    const std::string text(100'000, 'a');
    for (const Bytes& blob : {gzip_of(text), zstd_of(text)}) {
        MemorySink tar;
        EXPECT_FALSE(unpack(ByteView{blob}.first(blob.size() - 3), tar, 10));
    }
}

}  // namespace
}  // namespace lazybuild::codec
