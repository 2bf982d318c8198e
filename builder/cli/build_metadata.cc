// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build_metadata.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/file.h"
#include "codec/json.h"

namespace lazybuild::cli {
namespace {

// As buildx has it from BuildKit: JSON in a string; of several caches the last one.
std::optional<std::string> cache_manifest(const std::vector<cache::ExportedCache>& caches) {
    std::optional<std::string> text;
    for (const cache::ExportedCache& cache : caches) {
        if (!cache.failed) {
            const codec::Json descriptor = {{"mediaType", cache.root.media_type},
                                            {"digest", cache.root.digest.text()},
                                            {"size", cache.root.size_bytes}};
            text = codec::json_text(descriptor);
        }
    }
    return text;
}

}  // namespace

std::string metadata_json(const BuildResult& result) {
    codec::Json document = codec::Json::object();
    if (const auto cache = cache_manifest(result.caches)) {
        document["cache.manifest"] = *cache;
    }
    if (!result.exported.empty()) {
        const exporter::Exported& image = result.exported.front();
        if (image.config.digest != codec::Digest{}) {
            document["containerimage.config.digest"] = image.config.digest.text();
        }
        codec::Json descriptor = {{"mediaType", image.root.media_type},
                                  {"digest", image.root.digest.text()},
                                  {"size", image.root.size_bytes}};
        document["containerimage.descriptor"] = std::move(descriptor);
        document["containerimage.digest"] = image.root.digest.text();
        if (!image.names.empty()) {
            document["image.name"] = fmt::format("{}", fmt::join(image.names, ","));
        }
    }
    return codec::json_pretty(document);
}

Result<void> write_metadata(const BuildArgs& args, const BuildResult& result) {
    if (!args.metadata_file.empty()) {
        CHECK_OK(replace_file(args.metadata_file, as_bytes(metadata_json(result))));
    }
    if (!args.image_id_file.empty() && !result.exported.empty()) {
        const std::string digest = result.exported.front().root.digest.text();
        CHECK_OK(replace_file(args.image_id_file, as_bytes(digest)));
    }
    return {};
}

}  // namespace lazybuild::cli
