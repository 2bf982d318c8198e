// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/layer_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "codec/tree_digest.h"
#include "tests/unit/layers/store_fixture.h"

namespace lazybuild::layers {
namespace {

using test::Making;

class LayerStoreTest : public test::StoreTest {
  protected:
    LayerPointer make(std::string_view content = "content") {
        return Making{*store_}.directory("d", 0750).file("d/f", content).finish();
    }
    std::size_t names_in(const std::string& directory) const {
        std::error_code failure;
        return static_cast<std::size_t>(std::distance(
            std::filesystem::directory_iterator{root() + "/" + directory, failure}, {}));
    }
    std::string read(const LayerPointer& layer, std::string_view path) {
        const auto view = store_->view({{layer}});
        auto bytes = view->open(path);
        EXPECT_TRUE(bytes) << bytes.error().message;
        return bytes ? test::read_all(**bytes) : "";
    }
};

TEST_F(LayerStoreTest, keeps_a_layer_that_was_made) {
    const LayerPointer made = make();
    ASSERT_NE(made, nullptr);
    EXPECT_EQ(made->id(), codec::tree_digest(**made->tree()));
    EXPECT_EQ(find(made->id()), made);
    const codec::Digest id = made->id();
    EXPECT_EQ(read(made, "d/f"), "content");
    reopen();
    const LayerPointer found = find(id);
    ASSERT_NE(found, nullptr);
    EXPECT_NE(found, made);
    EXPECT_EQ(codec::tree_digest(**found->tree()), id);
    EXPECT_EQ(read(found, "d/f"), "content");
    EXPECT_FALSE(found->contents_are_claims());
    EXPECT_EQ(find(codec::sha256(as_bytes("unknown"))), nullptr);
}

TEST_F(LayerStoreTest, has_the_layer_that_holds_nothing_before_anybody_made_it) {
    const codec::Digest id = Making{*store_}.finish()->id();
    ASSERT_TRUE(store_->remove_layer(id));
    reopen();
    EXPECT_EQ(names_in("layers"), 0U);
    const LayerPointer found = find(id);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->id(), id);
    EXPECT_TRUE(store_->view({{found}})->list("")->empty());
}

TEST_F(LayerStoreTest, knows_a_layer_that_is_made_again) {
    const LayerPointer first = make();
    EXPECT_EQ(make(), first);
    EXPECT_NE(make("else"), first);
    EXPECT_EQ(names_in("layers"), 2U);
    const auto other = open_another();
    const LayerPointer again = Making{*other}.directory("d", 0750).file("d/f", "content").finish();
    EXPECT_EQ(again->id(), first->id());
    EXPECT_EQ(names_in("layers"), 2U);
}

TEST_F(LayerStoreTest, leaves_nothing_of_a_layer_that_is_not_finished) {
    const auto build = store_->build_directory();
    ASSERT_TRUE(build);
    Making{*store_}.file("f", "content");
    EXPECT_EQ(names_in("layers"), 0U);
    EXPECT_EQ(names_in(std::filesystem::relative(*build, root())), 1U);  // its lock
}

TEST_F(LayerStoreTest, refuses_content_that_ends_early) {
    auto maker = store_->make_layer();
    ASSERT_OK(maker);
    MemorySource source{as_bytes("short")};
    const auto added = (*maker)->add({.path = "some/file", .size_bytes = 6}, &source);
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, std::errc::bad_message);
    EXPECT_NE(added.error().message.find("some/file ends 1 bytes early"), std::string::npos)
        << added.error().message;
}

TEST_F(LayerStoreTest, removes_the_directory_of_a_build_that_ends_and_of_one_that_was_killed) {
    const auto build = store_->build_directory();
    ASSERT_TRUE(build);
    EXPECT_EQ(store_->build_directory().value_or(""), *build);
    const std::string dead = root() + "/builds/killed";
    ASSERT_TRUE(make_directories(dead + "/upper/deep"));
    ASSERT_TRUE(replace_file(dead + "/lock", {}));
    const std::string half_made = root() + "/builds/half-made";
    ASSERT_TRUE(make_directories(half_made));
    const auto other = open_another();
    ASSERT_TRUE(other->build_directory());
    EXPECT_NE(::access(dead.c_str(), F_OK), 0);
    EXPECT_NE(::access(half_made.c_str(), F_OK), 0);
    EXPECT_EQ(::access(build->c_str(), F_OK), 0);
    store_.reset();
    EXPECT_NE(::access(build->c_str(), F_OK), 0);
}

TEST_F(LayerStoreTest, makes_no_directory_for_a_build_that_needs_none) {
    EXPECT_EQ(names_in("builds"), 0U);
    EXPECT_EQ(names_in("lazy"), 0U);
    EXPECT_EQ(find(codec::sha256(as_bytes("unknown"))), nullptr);
    EXPECT_EQ(names_in("builds"), 0U);
}

TEST_F(LayerStoreTest, removes_layers_that_nobody_uses) {
    LayerPointer made = make();
    const codec::Digest id = made->id();
    auto usage = store_->usage();
    ASSERT_OK(usage);
    ASSERT_EQ(usage->layers.size(), 1U);
    EXPECT_EQ(usage->layers[0].id, id);
    EXPECT_TRUE(usage->layers[0].in_use);
    EXPECT_GE(usage->layers[0].size_bytes, 4096U);
    EXPECT_GT(usage->layers[0].used_s, 1'600'000'000);
    const auto other = open_another();
    EXPECT_EQ(other->remove_layer(id).error().code, std::errc::device_or_resource_busy);
    made.reset();
    EXPECT_FALSE(other->usage()->layers[0].in_use);
    ASSERT_OK(other->remove_layer(id));
    EXPECT_EQ(find(id), nullptr);
    EXPECT_EQ(names_in("layers"), 0U);
    EXPECT_TRUE(other->remove_layer(id));
    EXPECT_NE(make(), nullptr);
}

TEST_F(LayerStoreTest, keeps_blobs_and_what_it_is_told_of_them) {
    const codec::Digest layer = codec::sha256(as_bytes("layer"));
    const codec::Digest digest = codec::sha256(as_bytes("blob"));
    LayerBlob blob{.descriptor = {.media_type = "type",
                                  .digest = digest,
                                  .size_bytes = 4,
                                  .annotations = {{"a", "\"b\""}}},
                   .diff_id = codec::sha256(as_bytes("tar")),
                   .compression = Compression::zstd,
                   .level = 3};
    ASSERT_OK(store_->add_blob(layer, blob));
    blob.from_base = true;
    ASSERT_OK(store_->add_blob(layer, blob));
    blob.from_base = false;
    ASSERT_OK(store_->add_blob(layer, blob));
    const store::Origin origin{.host = "registry:5000", .path = "some/image"};
    ASSERT_OK(store_->add_origin(digest, origin));
    ASSERT_OK(store_->add_origin(digest, origin));
    reopen();
    const auto blobs = store_->blobs(layer);
    ASSERT_OK(blobs);
    ASSERT_EQ(blobs->size(), 1U);
    EXPECT_EQ(blobs->front().descriptor.digest, digest);
    EXPECT_EQ(blobs->front().descriptor.annotations.at("a"), "\"b\"");
    EXPECT_EQ(blobs->front().diff_id, blob.diff_id);
    EXPECT_EQ(blobs->front().compression, Compression::zstd);
    EXPECT_EQ(blobs->front().level, 3);
    EXPECT_TRUE(blobs->front().from_base);
    const auto origins = store_->origins(digest);
    ASSERT_OK(origins);
    EXPECT_EQ(*origins, std::vector{origin});
    EXPECT_TRUE(store_->blobs(digest)->empty());
}

TEST_F(LayerStoreTest, removes_blobs_when_no_build_runs) {
    const codec::Digest digest = codec::sha256(as_bytes("blob"));
    EXPECT_FALSE(store_->blob_path(digest));
    const std::string file = directory_.path() + "/file";
    ASSERT_OK(replace_file(file, as_bytes("blob")));
    ASSERT_OK(store_->keep_blob(digest, file));
    ASSERT_TRUE(store_->blob_path(digest));
    EXPECT_EQ(*read_file(*store_->blob_path(digest), 100), "blob");
    EXPECT_NE(::access(file.c_str(), F_OK), 0);
    EXPECT_EQ(store_->usage()->blobs.at(0).digest, digest);
    auto other = open_another();
    EXPECT_EQ(other->remove_blob(digest).error().code, std::errc::device_or_resource_busy);
    other.reset();
    EXPECT_TRUE(store_->blob_path(digest));
    ASSERT_OK(store_->remove_blob(digest));
    EXPECT_FALSE(store_->blob_path(digest));
    EXPECT_NE(open_another(), nullptr);  // the lock is shared again
}

}  // namespace
}  // namespace lazybuild::layers
