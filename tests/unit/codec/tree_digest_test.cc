// SPDX-License-Identifier: Apache-2.0
#include "codec/tree_digest.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "codec/sha256.h"
#include "codec/tree_walk.h"
#include "tests/unit/codec/layer_entries.h"

namespace lazybuild::codec {
namespace {

using test::build;
using test::directory;
using test::file;
using test::hardlink;
using test::symlink;

LayerEntry with_content(LayerEntry entry, char content) {
    entry.chunks.front().digest = sha256(as_bytes(std::string(1, content)));
    return entry;
}

Digest digest_of(const FileTree& tree) {
    const auto digest = tree_digest(tree);
    EXPECT_TRUE(digest);
    return digest.value_or(Digest{});
}

std::vector<LayerEntry> sample() {
    LayerEntry attributed = with_content(file("a/file", 10, 100), 'x');
    attributed.xattrs = {{.name = "user.a", .value = "1"}, {.name = "user.b", .value = "2"}};
    return {directory("a"),
            attributed,
            with_content(file("b", 20, 200), 'y'),
            hardlink("c", "b"),
            symlink("d", "a/file"),
            file("empty"),
            {.type = FileType::block, .path = "e", .device_major = 8, .device_minor = 1},
            file("a/.wh.gone"),
            file("f/.wh..wh..opq")};
}

TEST(TreeDigest, does_not_depend_on_the_order_or_the_place_of_files) {
    std::vector<LayerEntry> entries = sample();
    const Digest expected = digest_of(build(entries));
    std::swap(entries[1], entries[4]);
    std::swap(entries[0], entries[5]);
    entries[4].chunks.front().blob_offset_bytes = 7000;
    std::swap(entries[0], entries[1]);
    EXPECT_NE(entries[0].path, "a");
    // "a" before what is in it, as before: nothing is synthesised.
    std::swap(entries[0], entries[5]);
    EXPECT_EQ(digest_of(build(std::move(entries))), expected);
}

LayerEntry cut(std::uint64_t size_bytes, const std::vector<std::uint64_t>& chunk_bytes) {
    LayerEntry entry = file("b", size_bytes);
    entry.chunks.clear();
    std::uint64_t end_bytes = 0;
    for (const std::uint64_t chunk : chunk_bytes) {
        entry.chunks.push_back({.file_offset_bytes = end_bytes,
                                .size_bytes = chunk,
                                .blob_offset_bytes = end_bytes,
                                .digest = sha256(as_bytes(std::to_string(end_bytes)))});
        end_bytes += chunk;
    }
    entry.content = sha256(as_bytes("a claim"));
    return entry;
}

TEST(TreeDigest, names_a_large_file_by_its_pieces_and_not_by_a_claim) {
    const LayerEntry large = cut(2 * kPieceBytes + 1, {kPieceBytes, kPieceBytes, 1});
    const Digest expected = digest_of(build({large}));
    LayerEntry changed = large;
    changed.content = sha256(as_bytes("another claim"));
    EXPECT_EQ(digest_of(build({changed})), expected);
    changed = large;
    changed.chunks[2].digest = sha256(as_bytes("another piece"));
    EXPECT_NE(digest_of(build({changed})), expected);
    changed = large;
    std::swap(changed.chunks[0].digest, changed.chunks[1].digest);
    EXPECT_NE(digest_of(build({changed})), expected);
}

TEST(TreeDigest, has_none_for_files_that_are_cut_otherwise) {
    const auto digest = [](const LayerEntry& entry) { return tree_digest(build({entry})); };
    EXPECT_TRUE(digest(cut(kPieceBytes, {kPieceBytes})));
    EXPECT_FALSE(digest(cut(20, {12, 8})));
    EXPECT_FALSE(digest(cut(kPieceBytes + 1, {kPieceBytes + 1})));
    EXPECT_FALSE(digest(cut(kPieceBytes + 1, {kPieceBytes - 1, 2})));
    EXPECT_FALSE(digest(cut(kPieceBytes + 1, {1, kPieceBytes})));
    EXPECT_FALSE(digest(cut(2 * kPieceBytes, {kPieceBytes, kPieceBytes - 1, 1})));
    FileTree bare = build({file("b", 20)});
    bare.nodes[*bare.find("b")].chunk_count = 0;
    EXPECT_FALSE(tree_digest(bare));
}

TEST(TreeDigest, is_another_for_every_thing_that_a_layer_says) {
    const std::vector<std::function<void(std::vector<LayerEntry>&)>> changes{
        [](auto& entries) { entries[1].mode = 0600; },
        [](auto& entries) { entries[1].uid = 1; },
        [](auto& entries) { entries[1].gid = 1; },
        [](auto& entries) { entries[1].mtime_s = 1; },
        [](auto& entries) { entries[1].path = "a/other"; },
        [](auto& entries) { entries[1].xattrs[0].value = "2"; },
        [](auto& entries) { entries[1].xattrs[0].name = "user.c"; },
        [](auto& entries) { entries[1].xattrs.pop_back(); },
        [](auto& entries) { entries[1] = with_content(file("a/file", 10, 100), 'z'); },
        [](auto& entries) { entries[0].mode = 0700; },
        [](auto& entries) { entries[0].mtime_s = 8; },
        [](auto& entries) { entries.erase(entries.begin()); },  // "a" is synthesised
        [](auto& entries) { entries[3] = with_content(file("c", 20, 300), 'y'); },  // a copy
        [](auto& entries) { entries[3] = hardlink("c", "a/file"); },
        [](auto& entries) { entries[4].link_target = "b"; },
        [](auto& entries) { entries[5] = directory("empty"); },
        [](auto& entries) { entries[6].device_minor = 2; },
        [](auto& entries) { entries[6].type = FileType::character; },
        [](auto& entries) { entries[7] = file("a/.wh.gone2"); },
        [](auto& entries) {
            entries[7] = {.type = FileType::character, .path = "a/gone"};  // a device that is none
        },
        [](auto& entries) { entries.pop_back(); },
        [](auto& entries) { entries.push_back(directory("./")); },
    };
    std::set<Digest> seen{digest_of(build(sample()))};
    for (std::size_t i = 0; i < changes.size(); ++i) {
        std::vector<LayerEntry> entries = sample();
        changes[i](entries);
        EXPECT_TRUE(seen.insert(digest_of(build(std::move(entries)))).second) << i;
    }
}

TEST(TreeDigest, is_the_same_in_every_version_of_the_program) {
    EXPECT_EQ(digest_of(build(sample())).hex(),
              "3dd821d2cb7436343c6c8f085e5f7e9de53e47295553fca50f2bb5eeac71ee7d");
}

TEST(TreeWalk, visits_names_by_path_and_leaves_directories_after_what_is_in_them) {
    const FileTree tree =
        build({file("b/z"), directory("a"), file("a/y"), directory("a/b"), file("a.x")});
    std::vector<std::string> visits;
    TreeWalk walk(tree);
    while (const auto step = walk.next()) {
        visits.push_back((step->leaves ? "-" : "+") + std::string{step->path});
        EXPECT_TRUE(step->path.ends_with(step->name));
    }
    const std::vector<std::string> expected{"+",    "+a", "+a/b", "-a/b", "+a/y", "-a",
                                            "+a.x", "+b", "+b/z", "-b",   "-"};
    EXPECT_EQ(visits, expected);
}

TEST(TreeWalk, goes_as_deep_as_a_path_can) {
    std::string path = "d";
    while (path.size() + 2 <= kPathBytesMax) {
        path += "/d";
    }
    const FileTree tree = build({directory(path)});
    std::size_t steps = 0;
    TreeWalk walk(tree);
    while (walk.next()) {
        ++steps;
    }
    EXPECT_EQ(steps, tree.nodes.size() * 2);
}

}  // namespace
}  // namespace lazybuild::codec
