// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/cache_base.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/file.h"
#include "codec/json.h"

namespace lazybuild::exec {
namespace {

using codec::Json;
using codec::JsonPlace;

constexpr std::size_t kBytesMax = 1 << 20;
constexpr std::size_t kBlobsMax = 8;  // of one layer
constexpr std::uint64_t kLevelMax = 1000;

Result<layers::LayerBlob> parse_blob(const JsonPlace& place) {
    layers::LayerBlob blob;
    TRY(const JsonPlace descriptor, place.at("descriptor"));
    TRY(blob.descriptor, codec::Descriptor::parse(descriptor));
    TRY(const JsonPlace diff_id, place.at("diffID"));
    TRY(blob.diff_id, diff_id.digest());
    TRY(const JsonPlace compression, place.at("compression"));
    TRY(const std::uint64_t number, compression.whole_number());
    if (number > static_cast<std::uint64_t>(layers::Compression::estargz)) {
        return fail(compression.error("not known"));
    }
    blob.compression = static_cast<layers::Compression>(number);
    if (const auto level = place.find("level")) {
        TRY(const std::uint64_t known, level->whole_number());
        blob.level = static_cast<int>(std::min<std::uint64_t>(known, kLevelMax));
    }
    blob.imported = true;
    return blob;
}

Result<CacheLayer> parse_layer(const JsonPlace& place) {
    CacheLayer layer;
    TRY(const JsonPlace id, place.at("id"));
    TRY(layer.id, id.digest());
    TRY(const JsonPlace blobs, place.at("blobs"));
    TRY(const std::vector<JsonPlace> places, blobs.array());
    for (const JsonPlace& each : places) {
        TRY(layers::LayerBlob blob, parse_blob(each));
        layer.blobs.push_back(std::move(blob));
    }
    return layer;
}

}  // namespace

Result<std::optional<CacheBase>> read_cache_base(const std::string& path) {
    auto text = read_file(path, kBytesMax);
    if (!text && text.error().code == std::errc::no_such_file_or_directory) {
        return std::nullopt;
    }
    CHECK_OK(text);
    TRY(const auto document, codec::JsonDocument::parse(as_bytes(*text), path, kBytesMax));
    CacheBase base;
    TRY(const JsonPlace list, document.root().at("layers"));
    TRY(const std::vector<JsonPlace> places, list.array());
    if (places.size() > kCacheLayersMax) {
        return fail(over_limit(fmt::format("{}: more than {}", list.path(), kCacheLayersMax)));
    }
    for (const JsonPlace& place : places) {
        TRY(CacheLayer layer, parse_layer(place));
        base.layers.push_back(std::move(layer));
    }
    if (const auto stamp = document.root().find("stamp")) {
        TRY(base.stamp, stamp->digest());
    }
    return base;
}

Result<void> write_cache_base(const std::string& path, const CacheBase& base) {
    Json json = Json::object();
    json["layers"] = Json::array();
    for (const CacheLayer& layer : base.layers) {
        Json one = Json::object();
        one["id"] = layer.id.text();
        one["blobs"] = Json::array();
        for (std::size_t i = 0; i < std::min(layer.blobs.size(), kBlobsMax); ++i) {
            const layers::LayerBlob& blob = layer.blobs[i];
            Json known = Json::object();
            known["descriptor"] = blob.descriptor.json();
            known["diffID"] = blob.diff_id.text();
            known["compression"] = static_cast<unsigned>(blob.compression);
            if (blob.level >= 0) {
                known["level"] = blob.level;
            }
            one["blobs"].push_back(std::move(known));
        }
        json["layers"].push_back(std::move(one));
    }
    if (base.stamp) {
        json["stamp"] = base.stamp->text();
    }
    return replace_file(path, as_bytes(codec::json_text(json)), 0600);
}

}  // namespace lazybuild::exec
