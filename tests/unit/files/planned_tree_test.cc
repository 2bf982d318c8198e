// SPDX-License-Identifier: Apache-2.0
#include "builder/files/planned_tree.h"

#include <gtest/gtest.h>

#include "builder/files/unpack.h"
#include "tests/unit/files/fakes.h"
#include "tests/unit/layers/store_fixture.h"

namespace lazybuild::files {
namespace {

using codec::FileType;
using test::Lines;

/// Everything in a source, one line a file.
void read_all(layers::FileSource& source, const std::string& path, Lines& lines) {
    const auto names = source.list(path);
    ASSERT_TRUE(names) << path << ": " << names.error().message;
    for (const std::string& name : *names) {
        const std::string inside = path.empty() ? name : path + "/" + name;
        const auto info = source.look(inside);
        ASSERT_TRUE(info && *info) << inside;
        std::string line =
            fmt::format("{} {:o} {}:{} {} {}", static_cast<int>((*info)->type), (*info)->mode,
                        (*info)->uid, (*info)->gid, (*info)->mtime_s, (*info)->link_target);
        if ((*info)->type == FileType::regular) {
            line += " " + source.digest(inside)->digest.text();
        }
        lines[inside] = line;
        if ((*info)->type == FileType::directory) {
            read_all(source, inside, lines);
        }
    }
}
Lines all_of(layers::FileSource& source) {
    Lines lines;
    read_all(source, "", lines);
    return lines;
}

/// What is planned is what the layer, put on the layers below, shows.
class PlannedTreeTest : public layers::test::StoreTest {
  protected:
    layers::LayerPointer layer_of(PlannedTree& tree) {
        auto maker = store_->make_layer();
        EXPECT_TRUE(maker) << maker.error().message;
        const auto written = tree.write(**maker);
        EXPECT_TRUE(written) << written.error().message;
        auto layer = (*maker)->finish();
        EXPECT_TRUE(layer) << layer.error().message;
        return layer.value_or(nullptr);
    }
    std::unique_ptr<layers::FileSource> base() {
        test::MemoryFiles files;
        files.file("etc/passwd", "root").directory("etc/keep", 0711, 3, 4).file("dir/a/b", "b");
        files.file("dir/c", "c", 0600, 9, 9, 5).file("dir/d", "c", 0600, 9, 9, 5);
        files.link("link", "dir").file("file", "file").directory("empty");
        snapshot_.layers = {layer_of(files.source())};
        return store_->view(snapshot_);
    }
    void expect_same(PlannedTree& tree) {
        const Lines planned = all_of(tree);
        layers::Snapshot snapshot = snapshot_;
        snapshot.layers.push_back(layer_of(tree));
        EXPECT_EQ(all_of(*store_->view(snapshot)), planned);
    }

    layers::Snapshot snapshot_;
};

layers::FileInfo text_file(std::size_t size_bytes) {
    return {.type = FileType::regular,
            .mode = 0640,
            .uid = 1,
            .gid = 2,
            .mtime_s = 1000,
            .size_bytes = size_bytes,
            .link_target = {},
            .xattrs = {}};
}
Payload text(std::string content) {
    Payload payload;
    payload.text = std::move(content);
    return payload;
}

TEST_F(PlannedTreeTest, is_what_its_layer_shows) {
    const auto below = base();
    const layers::FileInfo made = made_directory(0700, 5, 6);
    struct Case {
        const char* name;
        std::function<void(PlannedTree&)> plan;
    };
    const std::vector<Case> cases{
        {"a new file",
         [](PlannedTree& t) { ASSERT_TRUE(t.put("etc/new", text_file(3), text("new"))); }},
        {"a file over a file",
         [](PlannedTree& t) { ASSERT_TRUE(t.put("etc/passwd", text_file(3), text("new"))); }},
        {"a file over a directory",
         [](PlannedTree& t) { ASSERT_TRUE(t.put("dir", text_file(3), text("new"))); }},
        {"a directory over a file, with something in it",
         [&](PlannedTree& t) {
             ASSERT_TRUE(t.put_directory("file", made));
             ASSERT_TRUE(t.put("file/x", text_file(1), text("x")));
         }},
        {"a directory over a directory",
         [&](PlannedTree& t) { ASSERT_TRUE(t.put_directory("dir", made)); }},
        {"a directory over a symlink to a directory",
         [&](PlannedTree& t) { ASSERT_TRUE(t.put_directory("link", made)); }},
        {"a directory over a file over a directory",
         [&](PlannedTree& t) {
             ASSERT_TRUE(t.put("dir", text_file(3), text("new")));
             ASSERT_TRUE(t.put_directory("dir", made));
             ASSERT_TRUE(t.put("dir/x", text_file(1), text("x")));
         }},
        {"a file over all that was just put",
         [&](PlannedTree& t) {
             ASSERT_TRUE(t.make_directories("dir/new/deep", made));
             ASSERT_TRUE(t.put("dir/new/deep/x", text_file(1), text("x")));
             ASSERT_TRUE(t.put("dir/new", text_file(1), text("y")));
             ASSERT_TRUE(t.put("dir/new-er", text_file(1), text("z")));
         }},
        {"a link to a file below", [](PlannedTree& t) { ASSERT_TRUE(t.link("new", "dir/c")); }},
        {"several names of one file",
         [](PlannedTree& t) {
             ASSERT_TRUE(t.put("z", text_file(1), text("z")));
             ASSERT_TRUE(t.link("a", "z"));
             ASSERT_TRUE(t.link("etc/b", "a"));
         }},
        {"nothing", [](PlannedTree&) {}},
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.name);
        PlannedTree tree{below.get()};
        one.plan(tree);
        expect_same(tree);
    }
}

TEST_F(PlannedTreeTest, names_no_file_where_there_is_none) {
    const auto below = base();
    PlannedTree tree{below.get()};
    ASSERT_TRUE(tree.put("dir", text_file(1), text("x")));
    EXPECT_FALSE(*tree.look("dir/a"));
    EXPECT_FALSE(tree.open("dir/c"));
    EXPECT_TRUE(tree.open("file"));
    EXPECT_FALSE(tree.make_directories("dir/x", made_directory(0755, 0, 0)));
    EXPECT_FALSE(tree.link("x", "etc"));
    EXPECT_FALSE(tree.link("x", "gone"));
}

}  // namespace
}  // namespace lazybuild::files
