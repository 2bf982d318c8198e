// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/chunk_decoder.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "layer_fixture.h"

namespace lazybuild::layer {
namespace {

class ChunkDecoder : public testing::Test {
  protected:
    TemporaryRoot root_;
    TestLayer layer_ = usual_layer();
    std::shared_ptr<store::LayerFiles> files_ = open_files(layer_, root_.path() + "/layer");
    store::ChunkTable::Run all_{
        .begin = 0, .end = static_cast<store::ChunkIndex>(files_->chunks().records().size())};
};

TEST_F(ChunkDecoder, keeps_every_chunk_of_a_whole_blob) {
    ASSERT_TRUE(decode_chunks(*files_, all_, 0, layer_.blob).has_value());
    EXPECT_TRUE(files_->presence().has_all());
    const codec::Toc toc = layer_.toc();
    for (const auto& [name, content] : layer_.files) {
        const codec::Node& node = toc.tree.nodes[*toc.tree.find("d/" + name)];
        Bytes read(content.size());
        ASSERT_TRUE(content.empty() || files_->read(node.disk_offset_bytes, read).has_value());
        EXPECT_EQ(read, content) << name;
    }
}

TEST_F(ChunkDecoder, decodes_a_run_from_the_middle) {
    const auto records = files_->chunks().records();
    const store::ChunkTable::Run run{.begin = 10, .end = 13};
    const std::uint64_t begin = records[10].blob_offset_bytes;
    const std::uint64_t end = records[12].blob_offset_bytes + records[12].blob_size_bytes;
    ASSERT_TRUE(
        decode_chunks(*files_, run, begin, ByteView{layer_.blob}.subspan(begin, end - begin))
            .has_value());
    EXPECT_EQ(files_->presence().marked(), 3U);
    EXPECT_FALSE(files_->presence().has(9));
    EXPECT_TRUE(files_->presence().has(10));
    EXPECT_FALSE(files_->presence().has(13));
}

TEST_F(ChunkDecoder, keeps_nothing_whose_digest_does_not_hold) {
    const auto records = files_->chunks().records();
    for (store::ChunkIndex chunk = 0; chunk < all_.end; chunk += 7) {
        Bytes damaged = layer_.blob;
        // In the middle, behind the code tables: a bit of those may be for a code that nobody uses.
        const std::uint64_t middle = records[chunk].blob_size_bytes / 2;
        damaged[records[chunk].blob_offset_bytes + middle] ^= std::byte{0x10};
        const auto decoded = decode_chunks(*files_, {.begin = chunk, .end = chunk + 1}, 0, damaged);
        ASSERT_FALSE(decoded.has_value());
        EXPECT_EQ(decoded.error().code, std::errc::bad_message);
        EXPECT_FALSE(files_->presence().has(chunk));
    }
}

TEST_F(ChunkDecoder, keeps_the_chunks_before_a_wrong_one_and_none_after) {
    const store::ChunkIndex wrong = 10;
    const store::ChunkRecord& record = files_->chunks().records()[wrong];
    Bytes damaged = layer_.blob;
    damaged[record.blob_offset_bytes + record.blob_size_bytes / 2] ^= std::byte{0x10};
    const auto decoded = decode_chunks(*files_, all_, 0, damaged);
    ASSERT_FALSE(decoded.has_value());
    EXPECT_EQ(decoded.error().code, std::errc::bad_message);
    for (store::ChunkIndex chunk = 0; chunk < all_.end; ++chunk) {
        EXPECT_EQ(files_->presence().has(chunk), chunk < wrong) << chunk;
    }
}

TEST_F(ChunkDecoder, keeps_what_came_before_the_end_of_the_bytes) {
    const store::ChunkRecord& last = files_->chunks().records()[20];
    const auto decoded =
        decode_chunks(*files_, all_, 0, ByteView{layer_.blob}.first(last.blob_offset_bytes));
    ASSERT_FALSE(decoded.has_value());
    EXPECT_EQ(files_->presence().marked(), 20U);
}

TEST_F(ChunkDecoder, refuses_bytes_that_do_not_reach_the_chunk) {
    const auto decoded = decode_chunks(*files_, all_, 0, ByteView{layer_.blob}.first(1000));
    ASSERT_FALSE(decoded.has_value());
    EXPECT_EQ(decoded.error().code, std::errc::bad_message);
}

TEST_F(ChunkDecoder, believes_a_claimed_chunk_only_after_its_digest) {
    ASSERT_TRUE(decode_chunks(*files_, all_, 0, layer_.blob).has_value());
    EXPECT_TRUE(*verify_claimed(*files_, 3));
    const store::ChunkRecord record = files_->chunks().records()[3];
    Fd disk = *open_file(root_.path() + "/layer/disk", O_WRONLY);
    ASSERT_TRUE(pwrite_all(disk.get(), as_bytes("torn"), record.disk_offset_bytes).has_value());
    EXPECT_FALSE(*verify_claimed(*files_, 3));
}

}  // namespace
}  // namespace lazybuild::layer
