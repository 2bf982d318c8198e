// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/pull_labels.h"

#include <gtest/gtest.h>

#include "codec/sha256.h"

namespace lazybuild::cli {
namespace {

codec::Manifest manifest_of(std::size_t layers) {
    codec::Manifest manifest;
    manifest.config.digest = codec::sha256(as_bytes("config"));
    for (std::size_t i = 0; i < layers; ++i) {
        codec::Descriptor layer;
        layer.digest = codec::sha256(as_bytes(std::to_string(i)));
        manifest.layers.push_back(layer);
    }
    return manifest;
}

LayerLabels labels_for(const codec::Manifest& manifest, std::size_t layer) {
    return LayerLabels{.image = "docker.io/library/a:1",
                       .manifest = codec::sha256(as_bytes("manifest")),
                       .layers = manifest.layers,
                       .layer = layer,
                       .diff_id = codec::sha256(as_bytes("diff")),
                       .chain_id = codec::sha256(as_bytes("chain")),
                       .parent_chain_id = "sha256:parent"};
}

TEST(PullLabels, name_the_layer_and_those_above_it) {
    codec::Manifest manifest = manifest_of(3);
    manifest.layers[1].annotations = {{"containerd.io/snapshot/stargz/toc.digest", "sha256:t"},
                                      {"containerd.io/snapshot/cri.image-ref", "a lie"},
                                      {"org.example", "x"}};
    const codec::StringMap labels = snapshot_labels(labels_for(manifest, 1));
    EXPECT_EQ(labels.at("containerd.io/snapshot.ref"), codec::sha256(as_bytes("chain")).text());
    EXPECT_EQ(labels.at("containerd.io/snapshot/cri.image-ref"), "docker.io/library/a:1");
    EXPECT_EQ(labels.at("containerd.io/snapshot/cri.layer-digest"),
              manifest.layers[1].digest.text());
    EXPECT_EQ(labels.at("containerd.io/snapshot/cri.image-layers"),
              manifest.layers[1].digest.text() + "," + manifest.layers[2].digest.text());
    EXPECT_EQ(labels.at("containerd.io/snapshot/stargz/toc.digest"), "sha256:t");
    EXPECT_EQ(labels.at("containerd.io/snapshot/parent-chain-id"), "sha256:parent");
    EXPECT_FALSE(labels.contains("org.example"));
}

TEST(PullLabels, stay_within_what_containerd_takes) {
    const codec::Manifest manifest = manifest_of(200);
    for (const auto& [name, value] : snapshot_labels(labels_for(manifest, 0))) {
        EXPECT_LE(name.size() + value.size(), kLabelBytesMax) << name;
    }
    const std::string list =
        snapshot_labels(labels_for(manifest, 0)).at("containerd.io/snapshot/cri.image-layers");
    EXPECT_GT(list.size(), 3900U) << "as many as fit";
    EXPECT_EQ((list.size() + 1) % 72, 0U) << "no digest is cut";
}

TEST(PullLabels, keep_what_belongs_together) {
    const codec::Manifest manifest = manifest_of(2);
    const codec::StringMap labels = manifest_gc_labels(manifest);
    EXPECT_EQ(labels.size(), 3U);
    EXPECT_EQ(labels.at("containerd.io/gc.ref.content.config"), manifest.config.digest.text());
    EXPECT_EQ(labels.at("containerd.io/gc.ref.content.l.1"), manifest.layers[1].digest.text());
    EXPECT_EQ(
        config_gc_labels("lazy", manifest.config.digest),
        (codec::StringMap{{"containerd.io/gc.ref.snapshot.lazy", manifest.config.digest.text()}}));
}

TEST(PullLabels, add_a_repository_to_those_that_have_a_blob) {
    const registry::Repository repository{.host = "r:5000", .name = "b/c"};
    EXPECT_EQ(source_label(repository, "").name, "containerd.io/distribution.source.r:5000");
    EXPECT_EQ(source_label(repository, "").value, "b/c");
    EXPECT_EQ(source_label(repository, "x,a").value, "a,b/c,x");
    EXPECT_EQ(source_label(repository, "b/c").value, "b/c");
    EXPECT_EQ(source_label(repository, std::string(5000, 'x')).value, "b/c");
}

}  // namespace
}  // namespace lazybuild::cli
