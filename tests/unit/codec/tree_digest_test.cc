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
    const Digest expected = tree_digest(build(entries));
    std::swap(entries[1], entries[4]);
    std::swap(entries[0], entries[5]);
    entries[4].chunks.front().blob_offset_bytes = 7000;
    std::swap(entries[0], entries[1]);
    EXPECT_NE(entries[0].path, "a");
    // "a" before what is in it, as before: nothing is synthesised.
    std::swap(entries[0], entries[5]);
    EXPECT_EQ(tree_digest(build(std::move(entries))), expected);
}

TEST(TreeDigest, does_not_depend_on_how_a_file_is_cut) {
    LayerEntry cut = file("b", 20);
    cut.chunks = {{.size_bytes = 12, .blob_offset_bytes = 1, .digest = sha256(as_bytes("1"))},
                  {.file_offset_bytes = 12, .size_bytes = 8, .blob_offset_bytes = 2}};
    cut.content = sha256(as_bytes("y"));
    EXPECT_EQ(tree_digest(build({cut})), tree_digest(build({with_content(file("b", 20, 9), 'y')})));
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
    std::set<Digest> seen{tree_digest(build(sample()))};
    for (std::size_t i = 0; i < changes.size(); ++i) {
        std::vector<LayerEntry> entries = sample();
        changes[i](entries);
        EXPECT_TRUE(seen.insert(tree_digest(build(std::move(entries)))).second) << i;
    }
}

TEST(TreeDigest, is_the_same_in_every_version_of_the_program) {
    EXPECT_EQ(tree_digest(build(sample())).hex(),
              "ac53b8d66af17ce74e9b4431b3362920c2b0dc8e11972f1a536dc73a96d77a2e");
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
