// SPDX-License-Identifier: Apache-2.0
#include "builder/export/layer_blobs.h"

#include <gtest/gtest.h>

#include "tests/unit/export/test_store.h"

namespace lazybuild::exporter {
namespace {

using layers::Compression;

/// A base of one layer, whose blob is in a layout and not in the store. What the store would unpack
/// of it is not what the blob holds, so that it shows which one was written.
class LayerBlobsTest : public test::ExportFixture {
  protected:
    void add_base(Compression said = Compression::gzip, bool compressed = true) {
        base_ = layout_.add_layer("head -c 300000 /dev/urandom > b && ln -s b link", compressed);
        layer_ = test::LayerBuilder{}.file("b", "unpacked").finish("base");
        known_.descriptor.media_type = base_.media_type;
        known_.descriptor.digest = base_.blob.digest;
        known_.descriptor.size_bytes = base_.blob.size_bytes;
        known_.diff_id = base_.diff_id;
        known_.compression = said;
        known_.from_base = true;
    }
    Result<ImageLayer> forced(Compression compression, int level = 5) {
        EXPECT_TRUE(store_.add_blob(layer_->id(), known_));
        EXPECT_TRUE(store_.add_origin(
            base_.blob.digest,
            {.kind = store::Origin::Kind::oci_layout, .host = {}, .path = layout_.path()}));
        return again(compression, level);
    }
    Result<ImageLayer> again(Compression compression, int level = 5) {
        return session_->run_blocking([&]() -> Result<ImageLayer> {
            LayerBlobs blobs{
                store_, *session_, {.compression = compression, .level = level, .force = true}};
            TRY(const auto layers, blobs.of(test::make_image({layer_})));
            return layers.front();
        });
    }
    /// SHA-256 of what `program` makes of the blob that was written.
    codec::Digest tar_of(const ImageLayer& layer, const std::string& program) {
        directory_.run(program + " < " + *store_.blob_path(layer.descriptor.digest) + " > tar");
        return codec::sha256(as_bytes(cli::TestLayout::read(directory_ / "tar")));
    }

    cli::TestLayout layout_{directory_, "base"};
    cli::TestLayer base_;
    layers::LayerBlob known_;
    layers::LayerPointer layer_;
};

TEST_F(LayerBlobsTest, compresses_a_base_otherwise_and_leaves_its_tar_alone) {
    add_base();
    const auto zstd = forced(Compression::zstd);
    ASSERT_TRUE(zstd) << zstd.error().message;
    EXPECT_EQ(zstd->diff_id, base_.diff_id);
    EXPECT_EQ(zstd->descriptor.media_type, codec::media_type::kOciLayerZstd);
    EXPECT_EQ(tar_of(*zstd, "zstd -dc"), base_.diff_id);
    const auto plain = again(Compression::uncompressed);
    ASSERT_TRUE(plain) << plain.error().message;
    EXPECT_EQ(plain->diff_id, base_.diff_id);
    EXPECT_EQ(plain->descriptor.digest, base_.diff_id);
}

TEST_F(LayerBlobsTest, compresses_a_base_that_is_not_compressed) {
    add_base(Compression::uncompressed, false);
    const auto gzip = forced(Compression::gzip);
    ASSERT_TRUE(gzip) << gzip.error().message;
    EXPECT_EQ(gzip->diff_id, base_.diff_id);
    EXPECT_EQ(tar_of(*gzip, "gzip -dc"), base_.diff_id);
}

TEST_F(LayerBlobsTest, an_index_stays_a_file_of_the_tar) {
    add_base(Compression::estargz);
    const auto gzip = forced(Compression::gzip);
    ASSERT_TRUE(gzip) << gzip.error().message;
    EXPECT_EQ(gzip->diff_id, base_.diff_id);
    EXPECT_NE(gzip->descriptor.digest, base_.blob.digest);
    EXPECT_FALSE(gzip->from_base);
}

TEST_F(LayerBlobsTest, makes_estargz_of_the_files_of_a_base) {
    add_base();
    const auto lazy = forced(Compression::estargz);
    ASSERT_TRUE(lazy) << lazy.error().message;
    EXPECT_NE(lazy->diff_id, base_.diff_id);
    directory_.run("tar -xzOf " + *store_.blob_path(lazy->descriptor.digest) +
                   " b | grep -qx unpacked");
}

TEST_F(LayerBlobsTest, leaves_a_base_that_has_the_compression_alone) {
    add_base();
    const auto same = forced(Compression::gzip);
    ASSERT_TRUE(same) << same.error().message;
    EXPECT_EQ(same->descriptor.digest, base_.blob.digest);
    EXPECT_TRUE(same->from_base);
    EXPECT_EQ(store_.kept, 0);
}

TEST_F(LayerBlobsTest, compresses_a_base_once) {
    add_base();
    const auto first = forced(Compression::zstd);
    const auto second = again(Compression::zstd);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->descriptor.digest, second->descriptor.digest);
    EXPECT_EQ(store_.kept, 1);
    ASSERT_TRUE(again(Compression::zstd, 7)) << "another level is another blob";
    EXPECT_EQ(store_.kept, 2);
}

TEST_F(LayerBlobsTest, does_not_take_a_kept_blob_with_another_tar) {
    add_base();
    layers::LayerBlob old{.descriptor = {},
                          .diff_id = codec::sha256(as_bytes("a tar of the files")),
                          .compression = Compression::zstd,
                          .level = 5};
    old.descriptor.digest = codec::sha256(as_bytes("old"));
    directory_.write("root/blobs/sha256/" + old.descriptor.digest.hex(), "old");
    ASSERT_TRUE(store_.add_blob(layer_->id(), old));
    const auto zstd = forced(Compression::zstd);
    ASSERT_TRUE(zstd) << zstd.error().message;
    EXPECT_EQ(zstd->diff_id, base_.diff_id);
}

TEST_F(LayerBlobsTest, refuses_a_tar_that_is_not_what_the_config_says) {
    add_base();
    known_.diff_id = codec::sha256(as_bytes("something else"));
    const auto zstd = forced(Compression::zstd);
    ASSERT_FALSE(zstd);
    EXPECT_NE(zstd.error().message.find("has the diffID " + base_.diff_id.text()),
              std::string::npos)
        << zstd.error().message;
    EXPECT_EQ(store_.kept, 0);
}

TEST_F(LayerBlobsTest, refuses_a_damaged_blob_and_one_that_is_nowhere) {
    add_base();
    std::string bytes = cli::TestLayout::read(layout_.blob_path(base_.blob.digest));
    bytes.back() ^= 1;  // of the size that gzip says at its end
    layout_.write("blobs/sha256/" + base_.blob.digest.hex(), bytes);
    EXPECT_FALSE(forced(Compression::zstd));
    directory_.run("rm " + layout_.blob_path(base_.blob.digest));
    EXPECT_FALSE(again(Compression::zstd));
    EXPECT_EQ(store_.kept, 0);
}

}  // namespace
}  // namespace lazybuild::exporter
