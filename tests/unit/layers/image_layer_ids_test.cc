// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>

#include "builder/layers/layer_store.h"
#include "codec/media_type.h"
#include "codec/sha256.h"

namespace lazybuild::layers {
namespace {

constexpr const char* kTocDigest = "containerd.io/snapshot/stargz/toc.digest";

TEST(ImageLayerIds, depend_on_the_blob_and_its_annotated_index_alone) {
    const codec::Digest toc = codec::sha256(as_bytes("toc"));
    codec::Descriptor plain{.media_type = std::string{codec::media_type::kOciLayerGzip},
                            .digest = codec::sha256(as_bytes("a")),
                            .size_bytes = 1};
    codec::Descriptor lazy = plain;
    lazy.annotations[kTocDigest] = toc.text();
    codec::Descriptor noise = plain;
    noise.annotations["x"] = "y";
    codec::Descriptor damaged = plain;
    damaged.annotations[kTocDigest] = "sha256:none";
    codec::Descriptor other = plain;
    other.digest = codec::sha256(as_bytes("b"));
    const auto ids =
        image_layer_ids(codec::Manifest{.layers = {plain, lazy, noise, damaged, other, lazy}});
    ASSERT_EQ(ids.size(), 6U);
    EXPECT_EQ(ids[0], ids[2]);
    EXPECT_EQ(ids[0], ids[3]);
    EXPECT_EQ(ids[1], ids[5]);
    EXPECT_EQ((std::set{ids[0], ids[1], ids[4]}.size()), 3U);
}

}  // namespace
}  // namespace lazybuild::layers
