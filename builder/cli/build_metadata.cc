// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build_metadata.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "codec/json.h"

namespace lazybuild::cli {

std::string metadata_json(const BuildResult& result) {
    codec::Json document = codec::Json::object();
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
