// SPDX-License-Identifier: Apache-2.0
#include "builder/image/layer_unpack.h"

#include <gtest/gtest.h>

#include "codec/gzip.h"
#include "codec/sha256.h"

namespace lazybuild::image {
namespace {

Result<void> unpack(ByteView blob, MemorySink& tar, std::size_t piece_bytes) {
    LayerUnpacker unpacker{tar};
    for (std::size_t at = 0; at < blob.size(); at += piece_bytes) {
        CHECK_OK(unpacker.write(blob.subspan(at, std::min(piece_bytes, blob.size() - at))));
    }
    return unpacker.finish();
}

TEST(LayerUnpacker, sees_gzip_by_its_first_bytes) {
    const std::string text(100'000, 'a');
    MemorySink compressed;
    codec::GzipWriter writer{compressed, 1};
    ASSERT_TRUE(writer.start_member());
    ASSERT_TRUE(writer.write(as_bytes(text)));
    ASSERT_TRUE(writer.end_member());
    for (const ByteView blob : {ByteView{compressed.bytes()}, as_bytes(text)}) {
        MemorySink tar;
        const auto unpacked = unpack(blob, tar, 100);
        ASSERT_TRUE(unpacked) << unpacked.error().message;
        EXPECT_EQ(as_text(tar.bytes()), text);
    }
    MemorySink tar;
    EXPECT_FALSE(unpack(ByteView{compressed.bytes()}.first(50), tar, 10)) << "cut off";
}

}  // namespace
}  // namespace lazybuild::image
