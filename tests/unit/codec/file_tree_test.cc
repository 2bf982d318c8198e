// SPDX-License-Identifier: Apache-2.0
#include "codec/file_tree.h"

#include <gtest/gtest.h>

#include "codec/lexical_path.h"
#include "codec/xattrs.h"

namespace lazybuild::codec {
namespace {

TEST(CleanPath, is_go_path_clean_below_the_root) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"", ""},
        {".", ""},
        {"/", ""},
        {"./", ""},
        {"usr", "usr"},
        {"./usr//bin/../x/", "usr/x"},
        {"/usr/bin/", "usr/bin"},
        {"../../etc", "etc"},
        {"a/../../b", "b"},
        {"a/./b/.", "a/b"},
        {"..", ""},
        {"a/..", ""},
        {"...", "..."},
        {"a/..b/c..", "a/..b/c.."},
        {"a/b/../..", ""},
        {" / ", " / "},
    };
    for (const auto& [path, clean] : cases) {
        EXPECT_EQ(clean_path(path), std::string{clean}) << path;
    }
}

TEST(CleanPath, refuses_nul_bytes_and_what_is_too_long) {
    EXPECT_EQ(clean_path(std::string_view{"a\0b", 3}).error().code, std::errc::bad_message);
    const std::string longest_name(kNameBytesMax, 'n');
    EXPECT_TRUE(clean_path("a/" + longest_name));
    EXPECT_EQ(clean_path("a/" + longest_name + "n/b").error().code,
              std::errc::argument_out_of_domain);
    std::string path;
    while (path.size() < kPathBytesMax) {
        path += "a/";
    }
    EXPECT_TRUE(clean_path(path));
    EXPECT_EQ(clean_path(path + "a").error().code, std::errc::argument_out_of_domain);
}

TEST(NormalisePath, keeps_leading_parents_where_asked) {
    EXPECT_EQ(normalise_path("../../a/../b", LeadingParents::keep), "../../b");
    EXPECT_EQ(normalise_path("a/../..", LeadingParents::keep), "..");
    EXPECT_EQ(normalise_path("a/../..", LeadingParents::drop), "");
    EXPECT_EQ(normalise_path("..a/..", LeadingParents::keep), "");
}

TEST(SplitPath, takes_the_last_name_off) {
    EXPECT_EQ(split_path("usr/bin/x").directory, "usr/bin");
    EXPECT_EQ(split_path("usr/bin/x").name, "x");
    EXPECT_EQ(split_path("x").directory, "");
    EXPECT_EQ(split_path("x").name, "x");
}

TEST(Xattrs, are_sorted_and_the_last_of_a_name_stays) {
    std::vector<Xattr> xattrs{{"b", "1"}, {"a", "2"}, {"b", "3"}, {"b", "4"}};
    sort_xattrs(xattrs);
    ASSERT_EQ(xattrs.size(), 2U);
    EXPECT_EQ(xattrs[0].name + xattrs[0].value + xattrs[1].name + xattrs[1].value, "a2b4");
    EXPECT_EQ(xattr_bytes(xattrs), 4U);
}

/// root: a (file), d (directory: b (file))
FileTree small_tree() {
    FileTree tree;
    tree.nodes.resize(4);
    tree.nodes[0].entries = {{"a", 1}, {"d", 2}};
    tree.nodes[1].type = FileType::regular;
    tree.nodes[2].entries = {{"b", 3}};
    tree.nodes[3].type = FileType::regular;
    return tree;
}

TEST(FileTree, finds_by_path_without_following) {
    const FileTree tree = small_tree();
    EXPECT_EQ(tree.find(""), kRootNode);
    EXPECT_EQ(tree.find("a"), 1U);
    EXPECT_EQ(tree.find("d/b"), 3U);
    EXPECT_EQ(tree.find("d/a"), std::nullopt);
    EXPECT_EQ(tree.find("a/b"), std::nullopt);
    EXPECT_EQ(tree.find("c"), std::nullopt);
    EXPECT_EQ(tree.find("e"), std::nullopt);
}

TEST(DiskOffsets, follow_the_blob_at_multiples_of_the_alignment) {
    FileTree tree;
    tree.nodes.resize(5);
    const auto set_file = [&tree](NodeId id, std::uint32_t chunk, std::uint64_t size_bytes) {
        tree.nodes[id].type = FileType::regular;
        tree.nodes[id].first_chunk = chunk;
        tree.nodes[id].chunk_count = 1;
        tree.nodes[id].size_bytes = size_bytes;
    };
    set_file(1, 0, 10);
    set_file(2, 1, 4096);
    set_file(3, 2, 4097);
    tree.nodes[4].type = FileType::regular;  // empty
    tree.chunks.resize(3);
    tree.chunks[0] = {.size_bytes = 10, .blob_offset_bytes = 900};
    tree.chunks[1] = {.size_bytes = 4096, .blob_offset_bytes = 100, .member_offset_bytes = 50};
    tree.chunks[2] = {.size_bytes = 4097, .blob_offset_bytes = 100, .member_offset_bytes = 7};
    assign_disk_offsets(tree);
    EXPECT_EQ(tree.nodes[3].disk_offset_bytes, 0U);
    EXPECT_EQ(tree.nodes[2].disk_offset_bytes, 8192U);
    EXPECT_EQ(tree.nodes[1].disk_offset_bytes, 12288U);
    EXPECT_EQ(tree.nodes[4].disk_offset_bytes, 0U);
    EXPECT_EQ(tree.disk_size_bytes, 16384U);
}

TEST(DiskOffsets, of_a_tree_without_payloads_are_nothing) {
    FileTree tree = small_tree();
    assign_disk_offsets(tree);
    EXPECT_EQ(tree.disk_size_bytes, 0U);
}

}  // namespace
}  // namespace lazybuild::codec
