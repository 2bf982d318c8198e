// SPDX-License-Identifier: Apache-2.0
#include "codec/media_type.h"

#include <gtest/gtest.h>

namespace lazybuild::codec {
namespace {

TEST(MediaType, knows_the_documents_of_oci_and_docker) {
    EXPECT_EQ(document_kind(media_type::kOciManifest), DocumentKind::manifest);
    EXPECT_EQ(document_kind(media_type::kDockerManifest), DocumentKind::manifest);
    EXPECT_EQ(document_kind(media_type::kOciIndex), DocumentKind::index);
    EXPECT_EQ(document_kind(media_type::kDockerList), DocumentKind::index);
    EXPECT_EQ(document_kind("application/vnd.docker.distribution.manifest.v1+prettyjws"),
              DocumentKind::docker_schema1);
    EXPECT_EQ(document_kind("text/html"), std::nullopt);
}

TEST(MediaType, tells_how_layers_are_compressed) {
    EXPECT_EQ(layer_compression(media_type::kOciLayer), Compression::none);
    EXPECT_EQ(layer_compression(media_type::kDockerLayerGzip), Compression::gzip);
    EXPECT_EQ(layer_compression("application/vnd.docker.image.rootfs.diff.tar.zstd"),
              Compression::zstd);
    EXPECT_EQ(layer_compression("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
              Compression::gzip);
    EXPECT_EQ(layer_compression("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
              std::nullopt);
    EXPECT_EQ(layer_compression(media_type::kOciConfig), std::nullopt);
}

TEST(MediaType, knows_layers_that_are_not_distributed) {
    EXPECT_TRUE(is_foreign_layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"));
    EXPECT_TRUE(is_foreign_layer("application/vnd.oci.image.layer.nondistributable.v1.tar"));
    EXPECT_FALSE(is_foreign_layer(media_type::kOciLayerGzip));
    EXPECT_FALSE(is_foreign_layer("text/html"));
}

TEST(MediaType, gives_docker_types_their_oci_names) {
    EXPECT_EQ(oci_equivalent(media_type::kDockerManifest), media_type::kOciManifest);
    EXPECT_EQ(oci_equivalent(media_type::kDockerList), media_type::kOciIndex);
    EXPECT_EQ(oci_equivalent(media_type::kDockerConfig), media_type::kOciConfig);
    EXPECT_EQ(oci_equivalent(media_type::kDockerLayerGzip), media_type::kOciLayerGzip);
    EXPECT_EQ(oci_equivalent("application/x-mine"), "application/x-mine");
    EXPECT_EQ(docker_equivalent(media_type::kOciLayerGzip), media_type::kDockerLayerGzip);
    EXPECT_EQ(docker_equivalent(media_type::kOciLayer), media_type::kDockerLayer);
    EXPECT_EQ(docker_equivalent(media_type::kOciLayerZstd), media_type::kOciLayerZstd);
}

TEST(MediaType, strips_parameters_and_case) {
    EXPECT_EQ(bare_media_type(" Application/JSON ; charset=utf-8"), "application/json");
    EXPECT_EQ(bare_media_type(""), "");
    EXPECT_EQ(bare_media_type("  "), "");
}

}  // namespace
}  // namespace lazybuild::codec
