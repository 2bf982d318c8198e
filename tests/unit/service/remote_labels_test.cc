// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/remote_labels.h"

#include <gtest/gtest.h>

namespace lazybuild::service {
namespace {

std::string digest_text(char digit) {
    return "sha256:" + std::string(64, digit);
}

store::Labels complete_labels() {
    return {{"containerd.io/snapshot.ref", digest_text('1')},
            {"containerd.io/snapshot/cri.image-ref", "docker.io/library/python:3"},
            {"containerd.io/snapshot/cri.layer-digest", digest_text('a')},
            {"containerd.io/snapshot/cri.manifest-digest", digest_text('b')},
            {"containerd.io/snapshot/stargz/toc.digest", digest_text('c')},
            {"containerd.io/snapshot/cri.image-layers",
             digest_text('a') + "," + digest_text('d') + ",sha256:cut"}};
}

TEST(RemoteLabels, are_read) {
    const RemoteTarget target = parse_remote_labels(complete_labels()).value();
    EXPECT_EQ(target.chain_id.text(), digest_text('1'));
    EXPECT_EQ(target.image.text(), "docker.io/library/python:3");
    EXPECT_EQ(target.layer.text(), digest_text('a'));
    EXPECT_EQ(target.manifest->text(), digest_text('b'));
    EXPECT_EQ(target.toc->text(), digest_text('c'));
    ASSERT_EQ(target.layers.size(), 2u) << "what was cut off is left out";
    EXPECT_EQ(target.layers[1].text(), digest_text('d'));
}

TEST(RemoteLabels, ask_only_with_a_reference) {
    store::Labels labels = complete_labels();
    EXPECT_TRUE(asks_for_remote(labels));
    labels.erase("containerd.io/snapshot.ref");
    EXPECT_FALSE(asks_for_remote(labels));
    EXPECT_FALSE(parse_remote_labels(labels).has_value());
}

TEST(RemoteLabels, errors_name_the_label) {
    for (const char* label :
         {"containerd.io/snapshot/cri.image-ref", "containerd.io/snapshot/cri.layer-digest"}) {
        store::Labels labels = complete_labels();
        labels.erase(label);
        auto parsed = parse_remote_labels(labels);
        ASSERT_FALSE(parsed.has_value());
        EXPECT_NE(parsed.error().message.find(label), std::string::npos) << parsed.error().message;
    }
    for (const char* label :
         {"containerd.io/snapshot.ref", "containerd.io/snapshot/cri.image-ref",
          "containerd.io/snapshot/cri.layer-digest", "containerd.io/snapshot/cri.manifest-digest",
          "containerd.io/snapshot/stargz/toc.digest"}) {
        store::Labels labels = complete_labels();
        labels[label] = "../../etc";
        auto parsed = parse_remote_labels(labels);
        ASSERT_FALSE(parsed.has_value()) << label;
        EXPECT_NE(parsed.error().message.find(label), std::string::npos) << parsed.error().message;
    }
}

}  // namespace
}  // namespace lazybuild::service
