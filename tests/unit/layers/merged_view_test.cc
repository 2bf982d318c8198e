// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/merged_view.h"

#include <gtest/gtest.h>

#include "tests/unit/layers/test_layers.h"

namespace lazybuild::layers {
namespace {

using test::FakeLayer;
using test::FileType;
using test::LayerBuilder;
using test::read_all;
using Names = std::vector<std::string>;

class MergedViewTest : public testing::Test {
  protected:
    /// The bottom one first.
    void stack(std::vector<LayerPointer> layers) {
        view_ = std::make_unique<MergedView>(Snapshot{std::move(layers)},
                                             std::make_shared<ChainTrees>());
    }
    std::optional<FileInfo> look(std::string_view path) {
        auto found = view_->look(path);
        EXPECT_TRUE(found) << found.error().message;
        return found.value_or(std::nullopt);
    }
    Names list(std::string_view path) {
        auto names = view_->list(path);
        EXPECT_TRUE(names) << names.error().message;
        return names.value_or(Names{});
    }
    std::string read(std::string_view path, std::size_t step_bytes = 1000) {
        auto bytes = view_->open(path);
        EXPECT_TRUE(bytes) << bytes.error().message;
        return bytes ? read_all(**bytes, step_bytes) : "";
    }

    std::unique_ptr<MergedView> view_;
};

TEST_F(MergedViewTest, shows_an_empty_root_for_no_layers) {
    stack({});
    EXPECT_EQ(look("")->mode, 0755U);
    EXPECT_EQ(list(""), Names{});
    EXPECT_FALSE(look("a"));
    EXPECT_EQ(view_->list("a").error().code, std::errc::no_such_file_or_directory);
}

TEST_F(MergedViewTest, merges_directories_and_takes_files_from_the_topmost_layer) {
    stack({LayerBuilder{}
               .directory("d", 0700)
               .file("d/both", "below")
               .file("d/low", "low")
               .finish("1"),
           LayerBuilder{}.directory("d", 0711, 5).file("d/both", "above!").finish("2")});
    EXPECT_EQ(list("d"), (Names{"both", "low"}));
    EXPECT_EQ(look("d")->mode, 0711U);
    EXPECT_EQ(look("d")->uid, 5U);
    EXPECT_EQ(read("d/both"), "above!");
    EXPECT_EQ(look("d/both")->size_bytes, 6U);
    EXPECT_EQ(read("d/low"), "low");
}

TEST_F(MergedViewTest, hides_what_whiteouts_and_opaque_directories_hide) {
    stack({LayerBuilder{}
               .directory("d")
               .file("d/gone", "x")
               .directory("d/tree")
               .file("d/tree/old", "x")
               .file("kept", "x")
               .finish("1"),
           LayerBuilder{}
               .directory("d")
               .file("d/.wh.gone", "")
               .directory("d/tree")
               .file("d/tree/.wh..wh..opq", "")
               .file("d/tree/new", "y")
               .finish("2"),
           LayerBuilder{}.directory("d").directory("d/tree").file("d/tree/top", "z").finish("3")});
    EXPECT_EQ(list(""), (Names{"d", "kept"}));
    EXPECT_EQ(list("d"), (Names{"tree"}));
    EXPECT_FALSE(look("d/gone"));
    EXPECT_EQ(list("d/tree"), (Names{"new", "top"}));
    EXPECT_FALSE(look("d/tree/old"));
}

TEST_F(MergedViewTest, takes_files_over_directories_and_the_other_way_round) {
    stack({LayerBuilder{}.directory("a").file("a/x", "x").file("b", "b").finish("1"),
           LayerBuilder{}.file("a", "file").directory("b").file("b/y", "y").finish("2"),
           LayerBuilder{}.directory("a").file("a/z", "z").finish("3")});
    EXPECT_EQ(list("a"), Names{"z"});  // the file between hides the lowest
    EXPECT_EQ(list("b"), Names{"y"});
    EXPECT_FALSE(look("b/y/on the way"));
    EXPECT_EQ(view_->list("b/y").error().code, std::errc::not_a_directory);
}

TEST_F(MergedViewTest, gives_directories_without_entries_what_they_have_below) {
    stack({LayerBuilder{}.directory("srv", 0750, 33).symlink("var", "srv").finish("1"),
           LayerBuilder{}.file("srv/www/page", "p").finish("2"),
           LayerBuilder{}.file("srv/www/other", "o").finish("3")});
    EXPECT_EQ(look("srv")->mode, 0750U);
    EXPECT_EQ(look("srv")->uid, 33U);
    EXPECT_EQ(look("srv/www")->mode, 0755U);
    EXPECT_EQ(list("srv/www"), (Names{"other", "page"}));
}

TEST_F(MergedViewTest, numbers_names_of_one_file_alike) {
    stack({LayerBuilder{}.file("a", "1").hardlink("b", "a").file("c", "2").finish("1"),
           LayerBuilder{}.file("d", "3").hardlink("e", "d").finish("2")});
    EXPECT_NE(look("a")->inode, 0U);
    EXPECT_EQ(look("a")->inode, look("b")->inode);
    EXPECT_EQ(look("c")->inode, 0U);
    EXPECT_EQ(look("d")->inode, look("e")->inode);
    EXPECT_NE(look("a")->inode, look("d")->inode);
}

TEST_F(MergedViewTest, takes_digests_from_the_index_without_reading) {
    auto layer =
        LayerBuilder{}.file("a", "content").file("empty", "").symlink("l", "a").finish("1");
    stack({layer});
    const auto digest = view_->digest("a");
    ASSERT_TRUE(digest);
    EXPECT_EQ(digest->digest, codec::sha256(as_bytes("content")));
    EXPECT_TRUE(digest->verified);
    EXPECT_EQ(view_->digest("empty")->digest, codec::sha256({}));
    EXPECT_EQ(layer->reads, 0);
    EXPECT_FALSE(view_->digest("l"));
    EXPECT_FALSE(view_->digest(""));
    EXPECT_FALSE(view_->open("nothing"));
}

TEST_F(MergedViewTest, reads_to_know_a_digest_that_the_index_does_not_have) {
    auto made = LayerBuilder{}.file("a", "content").finish("1");
    codec::FileTree tree = **made->tree();
    tree.nodes[*tree.find("a")].content = {};
    auto layer = std::make_shared<FakeLayer>(
        "2", std::make_shared<const codec::FileTree>(std::move(tree)), made->disk());
    layer->claims = true;
    stack({layer});
    for (int i = 0; i < 2; ++i) {
        const auto digest = view_->digest("a");
        ASSERT_TRUE(digest) << digest.error().message;
        EXPECT_EQ(digest->digest, codec::sha256(as_bytes("content")));
        EXPECT_TRUE(digest->verified);
    }
    EXPECT_EQ(layer->reads, 1);
}

TEST_F(MergedViewTest, says_which_digests_are_only_claimed) {
    auto made = LayerBuilder{}.file("one", "content").file("two", "other").finish("1");
    codec::FileTree tree = **made->tree();
    tree.nodes[*tree.find("two")].chunk_count = 2;
    auto layer = std::make_shared<FakeLayer>(
        "2", std::make_shared<const codec::FileTree>(std::move(tree)), made->disk());
    layer->claims = true;
    stack({layer});
    EXPECT_TRUE(view_->digest("one")->verified);
    EXPECT_FALSE(view_->digest("two")->verified);
}

TEST_F(MergedViewTest, reads_large_files_in_large_pieces) {
    std::string content;
    for (int i = 0; content.size() < 2'500'000; ++i) {
        content += std::to_string(i);
    }
    auto layer = LayerBuilder{}.file("before", "b").file("a", content).finish("1");
    stack({layer});
    EXPECT_TRUE(read("a", 7001) == content);
    EXPECT_EQ(layer->reads, 3);
    EXPECT_TRUE(read("a", 4 << 20) == content);
    EXPECT_EQ(layer->reads, 4);
}

TEST_F(MergedViewTest, finds_nothing_at_paths_longer_than_any) {
    stack({LayerBuilder{}.file("a", "1").finish("1")});
    std::string path;
    for (int i = 0; i < 1'000'000; ++i) {
        path += "a/";
    }
    EXPECT_FALSE(look(path + "a"));
}

}  // namespace
}  // namespace lazybuild::layers
