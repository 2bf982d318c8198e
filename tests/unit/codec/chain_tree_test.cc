// SPDX-License-Identifier: Apache-2.0
// The search below, over lower layers that are FileTrees written as images: what the daemon does.
// That the rules are containerd's is shown by tests/integration/chains_equal_unpacked.sh.
#include "codec/chain_tree.h"

#include <gtest/gtest.h>

#include <memory>

#include "codec/erofs_reader.h"
#include "codec/erofs_writer.h"
#include "tests/unit/codec/layer_entries.h"

namespace lazybuild::codec {
namespace {

using test::at;
using test::build;
using test::directory;
using test::file;
using test::symlink;

LayerEntry owned(std::string path, std::uint32_t mode, std::uint32_t owner) {
    LayerEntry entry = directory(std::move(path), mode);
    entry.uid = entry.gid = owner;
    entry.mtime_s = 1000 + owner;
    return entry;
}

/// A layer as its metadata image.
class Image final : public LowerTree {
  public:
    explicit Image(std::vector<LayerEntry> entries) {
        EXPECT_TRUE(write_erofs(build(std::move(entries)), {}, image_));
        access_ = std::make_unique<MemoryAccess>(image_.bytes());
    }
    Result<std::optional<Node>> look(std::string_view path) override {
        ++looks;
        TRY(const ErofsReader reader, ErofsReader::open(*access_));
        return reader.look(path);
    }
    std::size_t looks = 0;

  private:
    MemorySink image_;
    std::unique_ptr<MemoryAccess> access_;
};

/// A layer of `top` over `below`, the topmost first.
FileTree over(std::vector<LayerEntry> top, std::vector<std::vector<LayerEntry>> below) {
    std::vector<std::unique_ptr<Image>> images;
    std::vector<LowerTree*> lowers;
    for (std::vector<LayerEntry>& entries : below) {
        images.push_back(std::make_unique<Image>(std::move(entries)));
        lowers.push_back(images.back().get());
    }
    FileTree tree = build(std::move(top));
    const auto taken = take_attributes_from_below(tree, lowers);
    EXPECT_TRUE(taken) << taken.error().message;
    return tree;
}

TEST(ChainTree, the_topmost_layer_that_has_the_directory_decides) {
    const FileTree tree = over(
        {file("a/b/new")},
        {{file("other")}, {owned("a", 0700, 3)}, {owned("a", 0711, 4), owned("a/b", 01777, 5)}});
    EXPECT_EQ(at(tree, "a").mode, 0700U);
    EXPECT_EQ(at(tree, "a").uid, 3U);
    EXPECT_EQ(at(tree, "a").mtime_s, 1003);
    EXPECT_EQ(at(tree, "a/b").mode, 01777U) << "each directory is searched for by itself";
    EXPECT_TRUE(at(tree, "a/b").synthesised);
}

TEST(ChainTree, directories_with_an_entry_and_the_root_stay_as_they_are) {
    const FileTree tree =
        over({directory("a", 0750), file("a/b/new")},
             {{owned("./", 0711, 9), owned("a", 0700, 3), owned("a/b", 0701, 4)}});
    EXPECT_EQ(at(tree, "a").mode, 0750U);
    EXPECT_EQ(at(tree, "a/b").uid, 4U);
    EXPECT_EQ(tree.root().mode, 0755U);
}

TEST(ChainTree, what_is_no_directory_below_hides_what_is_below_it) {
    for (const char* const hides : {"a", ".wh.a"}) {
        const FileTree tree = over({file("a/b/new")}, {{file(hides)}, {owned("a/b", 0700, 4)}});
        EXPECT_EQ(at(tree, "a").mode, 0755U) << hides;
        EXPECT_EQ(at(tree, "a/b").mode, 0755U) << hides;
    }
}

TEST(ChainTree, links_are_followed_inside_their_own_layer) {
    const std::vector<LayerEntry> lower = {
        owned("usr/lib", 0751, 7),       symlink("lib", "usr/lib"),
        symlink("abs", "/../usr/lib/."), symlink("usr/up", "../lib"),
        symlink("dangling", "usr/no"),   symlink("loop", "loop"),
        symlink("usr/dots", "lib/.."),   symlink("self", ".")};
    const FileTree tree = over({file("lib/x"), file("abs/x"), file("usr/up/x"), file("dangling/x"),
                                file("loop/x"), file("usr/dots/x"), file("self/usr/lib/x")},
                               {lower});
    for (const char* const path : {"lib", "abs", "usr/up", "self/usr/lib"}) {
        EXPECT_EQ(at(tree, path).mode, 0751U) << path;
        EXPECT_EQ(at(tree, path).uid, 7U) << path;
    }
    for (const char* const path : {"dangling", "loop", "usr/dots", "self"}) {
        EXPECT_EQ(at(tree, path).mode, 0755U) << path;
        EXPECT_EQ(at(tree, path).uid, 0U) << path;
    }
}

TEST(ChainTree, xattrs_come_along_but_those_that_speak_to_overlayfs) {
    std::vector<LayerEntry> lower = {directory("a"), file("a/.wh..wh..opq")};
    lower[0].xattrs = {{"user.a", "1"}, {"security.b", "2"}};
    const FileTree tree = over({file("a/x")}, {lower});
    ASSERT_EQ(at(tree, "a").xattrs.size(), 2U);
    EXPECT_EQ(at(tree, "a").xattrs[0].name, "security.b");
    EXPECT_EQ(at(tree, "a").xattrs[1].value, "1");
}

TEST(ChainTree, a_directory_that_is_nowhere_takes_the_group_of_its_setgid_parent) {
    const FileTree tree = over({file("a/b/c/x")}, {{owned("a", 02755, 8)}});
    EXPECT_EQ(at(tree, "a").mode, 02755U);
    EXPECT_EQ(at(tree, "a/b").gid, 8U);
    EXPECT_EQ(at(tree, "a/b").mode, 0755U);
    EXPECT_EQ(at(tree, "a/b/c").gid, 0U);
}

TEST(ChainTree, the_group_is_that_of_the_moment_when_the_directory_was_made) {
    const FileTree tree =
        over({file("a/b/x"), owned("a", 02700, 4), file("a/c/x")}, {{owned("a", 02755, 8)}});
    EXPECT_EQ(at(tree, "a").gid, 4U);
    EXPECT_EQ(at(tree, "a/b").gid, 8U);
    EXPECT_EQ(at(tree, "a/c").gid, 4U);
}

TEST(ChainTree, layers_without_bare_directories_are_not_searched) {
    Image lower{{directory("a"), directory("b")}};
    LowerTree* lowers[] = {&lower};
    FileTree tree = build({directory("a"), file("a/x"), directory("b"), file("top"), file("c/d")});
    ASSERT_TRUE(take_attributes_from_below(tree, lowers));
    EXPECT_EQ(lower.looks, 1U) << "only c is looked for";
}

TEST(ChainTree, default_acls_are_refused_where_something_is_made_under_them) {
    LayerEntry with_acl = directory("a");
    with_acl.xattrs = {{"system.posix_acl_default", "acl"}};
    EXPECT_TRUE(why_inexact(build({with_acl, file("a/x")})));
    EXPECT_FALSE(why_inexact(build({with_acl, file("x")})));
    Image lower{{with_acl}};
    LowerTree* lowers[] = {&lower};
    FileTree tree = build({file("a/x")});
    const auto taken = take_attributes_from_below(tree, lowers);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, std::errc::not_supported);
}

TEST(ChainTree, a_first_layer_hides_nothing) {
    FileTree tree = build({directory("a"),
                           file("a/.wh..wh..opq"),
                           file("a/kept"),
                           file("a/.wh.b"),
                           {.type = FileType::character, .path = "real-0-0"}});
    EXPECT_TRUE(has_whiteouts(tree));
    ASSERT_TRUE(make_first_layer(tree));
    EXPECT_FALSE(at(tree, "a").opaque);
    EXPECT_FALSE(tree.find("a/b"));
    EXPECT_TRUE(tree.find("a/kept"));
    EXPECT_TRUE(tree.find("real-0-0")) << "a device of the layer's own is no whiteout";
}

TEST(ChainTree, a_first_layer_whose_opaque_mark_would_remove_directories_is_refused) {
    FileTree bare = build({file("a/sub/lost"), file("a/.wh..wh..opq")});
    EXPECT_FALSE(make_first_layer(bare));
    FileTree named = build({directory("a/sub"), file("a/sub/x"), file("a/.wh..wh..opq")});
    EXPECT_TRUE(make_first_layer(named));
    FileTree later = build({file("a/.wh..wh..opq"), file("a/sub/x")});
    EXPECT_TRUE(make_first_layer(later));
}

}  // namespace
}  // namespace lazybuild::codec
