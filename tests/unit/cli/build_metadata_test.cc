// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build_metadata.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "codec/sha256.h"

namespace lazybuild::cli {
namespace {

cache::ExportedCache cache_with(std::string_view content) {
    cache::ExportedCache cache;
    cache.root = {.media_type = "application/vnd.oci.image.manifest.v1+json",
                  .digest = codec::sha256(as_bytes(content)),
                  .size_bytes = content.size()};
    return cache;
}

TEST(BuildMetadata, describes_the_manifest_of_the_last_cache_as_json_in_a_string) {
    BuildResult result;
    EXPECT_EQ(metadata_json(result).find("cache.manifest"), std::string::npos);
    result.caches = {cache_with("one"), cache_with("other"), cache_with("lost")};
    result.caches.back().failed = true;
    const auto metadata = nlohmann::json::parse(metadata_json(result));
    const auto manifest = nlohmann::json::parse(metadata["cache.manifest"].get<std::string>());
    EXPECT_EQ(manifest["digest"], result.caches[1].root.digest.text());
    EXPECT_EQ(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    EXPECT_EQ(manifest["size"], 5);
}

}  // namespace
}  // namespace lazybuild::cli
