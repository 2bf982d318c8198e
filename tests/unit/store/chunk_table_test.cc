// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/chunk_table.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "codec/estargz_format.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::store {
namespace {

using codec::Chunk;

const codec::LayerFormat& kFormat = codec::kEstargzFormat;

codec::Digest digest_with(std::byte first) {
    codec::Digest::Raw raw{};
    raw[0] = first;
    return codec::Digest{raw};
}

// Two files: one of three chunks, one of a single one.
codec::FileTree two_files() {
    codec::FileTree tree;
    tree.nodes.resize(3);
    tree.chunks = {
        {.file_offset_bytes = 0,
         .size_bytes = 4096,
         .blob_offset_bytes = 10,
         .blob_size_bytes = 90},
        {.file_offset_bytes = 4096,
         .size_bytes = 4096,
         .blob_offset_bytes = 100,
         .blob_size_bytes = 50},
        {.file_offset_bytes = 8192,
         .size_bytes = 100,
         .blob_offset_bytes = 150,
         .blob_size_bytes = 50},
        {.file_offset_bytes = 0, .size_bytes = 7, .blob_offset_bytes = 200, .blob_size_bytes = 33},
    };
    tree.chunks[3].digest = digest_with(std::byte{0xab});
    for (const std::size_t i : {1U, 2U}) {
        tree.nodes[i].type = codec::FileType::regular;
    }
    tree.nodes[1].chunk_count = 3;
    tree.nodes[1].size_bytes = 8292;
    tree.nodes[2].first_chunk = 3;
    tree.nodes[2].chunk_count = 1;
    tree.nodes[2].size_bytes = 7;
    tree.nodes[2].disk_offset_bytes = 12288;
    tree.disk_size_bytes = 16384;
    return tree;
}

class ChunkTableTest : public ::testing::Test {
  protected:
    test::TempDir directory_;
    const std::string path_ = directory_ / "chunks";
};

TEST_F(ChunkTableTest, reads_what_was_written) {
    ASSERT_TRUE(ChunkTable::write(two_files(), kFormat, 233, path_).has_value());
    const auto table = ChunkTable::open(path_);
    ASSERT_TRUE(table.has_value()) << table.error().message;
    ASSERT_EQ(table->records().size(), 4U);
    EXPECT_EQ(table->disk_size_bytes(), 16384U);
    EXPECT_EQ(table->data_end_bytes(), 233U);
    EXPECT_EQ(&table->format(), &kFormat);
    const ChunkRecord& last = table->records()[3];
    EXPECT_EQ(last.disk_offset_bytes, 12288U);
    EXPECT_EQ(last.blob_offset_bytes, 200U);
    EXPECT_EQ(last.size_bytes, 7U);
    EXPECT_EQ(last.digest, digest_with(std::byte{0xab}).raw());
}

TEST_F(ChunkTableTest, finds_the_chunks_of_a_range) {
    ASSERT_TRUE(ChunkTable::write(two_files(), kFormat, 233, path_).has_value());
    const ChunkTable table = ChunkTable::open(path_).value();
    const auto run = [&table](std::uint64_t offset, std::uint64_t size) {
        const ChunkTable::Run found = table.overlapping(offset, size);
        return std::pair{found.begin, found.end};
    };
    EXPECT_EQ(run(0, 1), (std::pair<ChunkIndex, ChunkIndex>{0, 1}));
    EXPECT_EQ(run(4095, 2), (std::pair<ChunkIndex, ChunkIndex>{0, 2}));
    EXPECT_EQ(run(4096, 4096), (std::pair<ChunkIndex, ChunkIndex>{1, 2}));
    EXPECT_EQ(run(0, 16384), (std::pair<ChunkIndex, ChunkIndex>{0, 4}));
    // The padding behind a file belongs to no chunk.
    EXPECT_EQ(run(8292, 4096 - 100).first, run(8292, 4096 - 100).second);
    EXPECT_EQ(run(12295, 100).first, run(12295, 100).second);
}

TEST_F(ChunkTableTest, refuses_chunks_past_the_limit) {
    codec::FileTree tree = two_files();
    tree.chunks[3].size_bytes = kChunkBytesMax + 1;
    const auto written = ChunkTable::write(tree, kFormat, 233, path_);
    ASSERT_FALSE(written.has_value());
    EXPECT_EQ(written.error().code, std::errc::argument_out_of_domain);
}

TEST_F(ChunkTableTest, refuses_a_file_that_is_torn_or_foreign) {
    ASSERT_TRUE(ChunkTable::write(two_files(), kFormat, 233, path_).has_value());
    const std::string whole = read_file(path_, 1 << 20).value();
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{63}, std::size_t{64}, whole.size() - 1}) {
        ASSERT_TRUE(
            replace_file(path_, as_bytes(std::string_view{whole}.substr(0, size))).has_value());
        EXPECT_FALSE(ChunkTable::open(path_).has_value()) << size;
    }
    constexpr std::size_t kFormatNumber = 40;
    for (const std::size_t byte : {std::size_t{0}, kFormatNumber}) {
        std::string foreign = whole;
        foreign[byte] = 'X';
        ASSERT_TRUE(replace_file(path_, as_bytes(foreign)).has_value());
        EXPECT_FALSE(ChunkTable::open(path_).has_value()) << byte;
    }
}

}  // namespace
}  // namespace lazybuild::store
