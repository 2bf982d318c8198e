// SPDX-License-Identifier: Apache-2.0
#include "codec/tree_index.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "codec/sha256.h"
#include "codec/tree_digest.h"
#include "tests/unit/codec/layer_entries.h"

namespace lazybuild::codec {
namespace {

using test::build;
using test::directory;
using test::file;
using test::hardlink;
using test::symlink;

FileTree sample() {
    LayerEntry cut = file("cut", 8192);
    cut.chunks = {{.size_bytes = 5000,
                   .blob_offset_bytes = 1,
                   .blob_size_bytes = 77,
                   .member_offset_bytes = 5,
                   .digest = sha256(as_bytes("1"))},
                  {.file_offset_bytes = 5000,
                   .size_bytes = 3192,
                   .blob_offset_bytes = 78,
                   .digest = sha256(as_bytes("2"))}};
    LayerEntry plain = file("dir/plain", 9);
    plain.chunks = {{.size_bytes = 9,
                     .blob_offset_bytes = 8192,
                     .blob_size_bytes = 9,
                     .digest = sha256(as_bytes("plain"))}};
    plain.xattrs = {{.name = "user.a", .value = std::string("\0\xff", 2)}};
    plain.mtime_s = 1'700'000'000;
    plain.uid = 4'000'000'000;
    return build(
        {directory("dir", 02755),
         cut,
         plain,
         hardlink("name", "dir/plain"),
         symlink("link", "../x"),
         file("empty"),
         {.type = FileType::fifo, .path = "fifo"},
         {.type = FileType::character, .path = "null", .device_major = 1, .device_minor = 3},
         file("made/inside/.wh.gone"),
         file("made/.wh..wh..opq")});
}

Bytes write(const FileTree& tree) {
    MemorySink out;
    EXPECT_TRUE(write_tree_index(tree, out));
    return std::move(out).take();
}

bool same(const Chunk& a, const Chunk& b) {
    return a.file_offset_bytes == b.file_offset_bytes && a.size_bytes == b.size_bytes &&
           a.blob_offset_bytes == b.blob_offset_bytes && a.blob_size_bytes == b.blob_size_bytes &&
           a.member_offset_bytes == b.member_offset_bytes && a.digest == b.digest;
}

TEST(TreeIndex, gives_the_tree_again) {
    const FileTree tree = sample();
    const auto read = read_tree_index(write(tree));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(tree_digest(*read), tree_digest(tree));
    EXPECT_EQ(read->disk_size_bytes, tree.disk_size_bytes);
    EXPECT_EQ(read->opaque_over_synthesised, tree.opaque_over_synthesised);
    EXPECT_TRUE(tree.opaque_over_synthesised);
    ASSERT_EQ(read->nodes.size(), tree.nodes.size());
    for (NodeId id = 0; id < tree.nodes.size(); ++id) {
        EXPECT_EQ(read->nodes[id].link_count, tree.nodes[id].link_count) << id;
        EXPECT_EQ(read->nodes[id].disk_offset_bytes, tree.nodes[id].disk_offset_bytes) << id;
        EXPECT_EQ(read->nodes[id].content, tree.nodes[id].content) << id;
        EXPECT_EQ(read->nodes[id].first_chunk, tree.nodes[id].first_chunk) << id;
        EXPECT_EQ(read->nodes[id].chunk_count, tree.nodes[id].chunk_count) << id;
    }
    ASSERT_EQ(read->chunks.size(), tree.chunks.size());
    for (std::size_t i = 0; i < tree.chunks.size(); ++i) {
        EXPECT_TRUE(same(read->chunks[i], tree.chunks[i])) << i;
    }
    EXPECT_EQ(write(*read), write(tree));
}

TEST(TreeIndex, keeps_an_empty_layer) {
    const auto read = read_tree_index(write(build({})));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->nodes.size(), 1U);
}

TEST(TreeIndex, says_no_digest_twice) {
    LayerEntry entry = file("file", 100, 0);
    entry.chunks.front().blob_size_bytes = 100;
    entry.chunks.front().digest = sha256(as_bytes("content"));
    EXPECT_LT(write(build({entry})).size(), 32 + 2 * 60U);
}

TEST(TreeIndex, refuses_every_cut) {
    const Bytes bytes = write(sample());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_FALSE(read_tree_index(ByteView{bytes}.first(size))) << size;
    }
}

TEST(TreeIndex, refuses_what_follows_it) {
    Bytes bytes = write(sample());
    bytes.push_back(std::byte{0});
    EXPECT_FALSE(read_tree_index(bytes));
}

TEST(TreeIndex, refuses_another_version) {
    Bytes bytes = write(sample());
    store_le<std::uint32_t>(bytes, 8, 2);
    const auto read = read_tree_index(bytes);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, std::errc::not_supported);
}

/// What a damaged tree is refused with.
std::errc refusal(const FileTree& tree) {
    const auto read = read_tree_index(write(tree));
    return read ? std::errc{} : read.error().code;
}

TEST(TreeIndex, refuses_trees_that_are_none) {
    using Damage = void (*)(FileTree&);
    const std::vector<Damage> damages{
        [](FileTree& tree) { tree.nodes[0].entries.pop_back(); },  // a node without a name
        [](FileTree& tree) { std::swap(tree.nodes[0].entries[0], tree.nodes[0].entries[1]); },
        [](FileTree& tree) { tree.nodes[0].entries[0].name = "a/b"; },
        [](FileTree& tree) { tree.nodes[0].entries[0].name = "."; },
        [](FileTree& tree) { tree.nodes[0].entries[0].node = kRootNode; },
        [](FileTree& tree) { tree.nodes[0].link_count = 9; },
        [](FileTree& tree) { tree.nodes[0].mode = 010000; },
        [](FileTree& tree) { tree.nodes[0].type = FileType::fifo; },
        [](FileTree& tree) { tree.disk_size_bytes = 4096; },
        [](FileTree& tree) { tree.disk_size_bytes += 1; },
        [](FileTree& tree) { tree.chunks[0].size_bytes -= 1; },
        [](FileTree& tree) { tree.nodes[*tree.find("null")].whiteout = true; },
        [](FileTree& tree) { tree.nodes[*tree.find("null")].opaque = true; },
        [](FileTree& tree) { tree.nodes[*tree.find("link")].link_target.clear(); },
        [](FileTree& tree) {
            tree.nodes[*tree.find("name")].xattrs.push_back({.name = "user.a", .value = ""});
        },
        // Two directories that hold each other, which the root does not reach.
        [](FileTree& tree) {
            const auto end = static_cast<NodeId>(tree.nodes.size());
            tree.nodes.push_back({.link_count = 3, .entries = {{.name = "x", .node = end + 1}}});
            tree.nodes.push_back({.link_count = 3, .entries = {{.name = "x", .node = end}}});
        },
    };
    for (std::size_t i = 0; i < damages.size(); ++i) {
        FileTree tree = sample();
        damages[i](tree);
        EXPECT_EQ(refusal(tree), std::errc::bad_message) << i;
    }
}

}  // namespace
}  // namespace lazybuild::codec
