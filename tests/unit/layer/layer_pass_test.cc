// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/layer_pass.h"

#include <gtest/gtest.h>

#include "layer_fixture.h"
#include "snapshotter/layer/chunk_decoder.h"

namespace lazybuild::layer {
namespace {

class LayerPassTest : public testing::Test {
  protected:
    Result<LayerPass::Digests> pass_over(ByteView blob, std::size_t piece_bytes) {
        LayerPass pass{files_};
        for (std::size_t offset = 0; offset < blob.size(); offset += piece_bytes) {
            CHECK_OK(pass.push(blob.subspan(offset, std::min(piece_bytes, blob.size() - offset))));
        }
        return pass.finish();
    }

    TemporaryRoot root_;
    TestLayer layer_ = usual_layer();
    std::shared_ptr<store::LayerFiles> files_ = open_files(layer_, root_.path() + "/layer");
};

TEST_F(LayerPassTest, fills_the_layer_and_computes_both_digests_however_the_bytes_are_cut) {
    for (const std::size_t piece : {std::size_t{997}, std::size_t{64 << 10}, layer_.blob.size()}) {
        files_ = open_files(layer_, root_.path() + "/layer" + std::to_string(piece));
        const auto digests = pass_over(layer_.blob, piece);
        ASSERT_TRUE(digests.has_value()) << digests.error().message;
        EXPECT_EQ(digests->blob, layer_.info.blob);
        EXPECT_EQ(digests->diff_id, layer_.info.diff_id);
        EXPECT_TRUE(files_->presence().has_all());
    }
}

TEST_F(LayerPassTest, goes_over_a_layer_that_is_partly_here) {
    ASSERT_TRUE(decode_chunks(*files_, {.begin = 2, .end = 20}, 0, layer_.blob).has_value());
    const auto digests = pass_over(layer_.blob, 4096);
    ASSERT_TRUE(digests.has_value()) << digests.error().message;
    EXPECT_EQ(digests->diff_id, layer_.info.diff_id);
    EXPECT_TRUE(files_->presence().has_all());
}

TEST_F(LayerPassTest, refuses_a_blob_that_ends_early) {
    const auto digests = pass_over(ByteView{layer_.blob}.first(layer_.blob.size() / 2), 4096);
    ASSERT_FALSE(digests.has_value());
    EXPECT_EQ(digests.error().code, std::errc::bad_message);
}

TEST_F(LayerPassTest, refuses_another_blob_of_the_same_shape) {
    std::map<std::string, Bytes> files = layer_.files;
    files["large"] = content_of(3'000'000, 4711);
    const TestLayer other = make_layer(files, {.chunk_size_bytes = 256 << 10});
    const auto digests = pass_over(other.blob, 4096);
    ASSERT_FALSE(digests.has_value());
    EXPECT_EQ(digests.error().code, std::errc::bad_message);
    EXPECT_FALSE(files_->presence().has_all());
}

}  // namespace
}  // namespace lazybuild::layer
