// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/container.h"

#include <gtest/gtest.h>

#include "builder/cache/cache_config.h"
#include "codec/media_type.h"
#include "tests/unit/cache/cache_fixture.h"

namespace lazybuild::cache {
namespace {

using test::digest_of;

std::vector<codec::Descriptor> layer_blobs(std::size_t count) {
    std::vector<codec::Descriptor> blobs(count);
    for (std::size_t i = 0; i < count; ++i) {
        blobs[i].media_type = codec::media_type::kOciLayerGzip;
        blobs[i].digest = digest_of(std::to_string(i));
        blobs[i].size_bytes = 1000 + i;
        blobs[i].annotations["containerd.io/snapshot/stargz/toc.digest"] = blobs[i].digest.text();
        blobs[i].annotations["containerd.io/uncompressed"] = blobs[i].digest.text();
    }
    return blobs;
}

codec::Descriptor config() {
    codec::Descriptor config;
    config.media_type = kConfigType;
    config.digest = digest_of("config");
    config.size_bytes = 1;
    return config;
}

CacheFound read_back(const exporter::NamedDocument& written) {
    return **read_container({.media_type = written.descriptor.media_type,
                             .digest = written.descriptor.digest,
                             .bytes = written.bytes});
}

TEST(CacheContainer, says_of_blobs_what_there_is_to_say) {
    const auto written = make_container(config(), layer_blobs(2), {});
    ASSERT_TRUE(written) << written.error().message;
    const CacheFound found = read_back(*written);
    EXPECT_EQ(found.config->digest, digest_of("config"));
    EXPECT_EQ(found.blobs.at(1).annotations, layer_blobs(2).at(1).annotations);
}

TEST(CacheContainer, has_room_for_the_blobs_of_ten_thousand_layers) {
    for (const bool image_manifest : {true, false}) {
        const auto written =
            make_container(config(), layer_blobs(10'000), {.image_manifest = image_manifest});
        ASSERT_TRUE(written) << written.error().message;
        EXPECT_LE(written->bytes.size(), registry::kManifestBytesMax);
        const CacheFound found = read_back(*written);
        ASSERT_EQ(found.blobs.size(), 10'000U);
        EXPECT_EQ(found.blobs[9'999].digest, digest_of("9999"));
        EXPECT_EQ(found.blobs[9'999].size_bytes, 10'999U);
    }
}

TEST(CacheContainer, refuses_more_than_registries_take) {
    const auto written = make_container(config(), layer_blobs(40'000), {});
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, std::errc::argument_out_of_domain);
}

}  // namespace
}  // namespace lazybuild::cache
