// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/cache_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "builder/export/compression_choice.h"
#include "codec/json.h"

namespace lazybuild::cache {
namespace {

using codec::JsonPlace;

constexpr std::uint64_t kVersionMax = 1;
constexpr std::size_t kSelectorBytesMax = 4096;

Result<std::vector<JsonPlace>> array_or_empty(const JsonPlace& place, std::string_view member,
                                              std::size_t count_max) {
    const auto found = place.find(member);
    if (!found) {
        return std::vector<JsonPlace>{};
    }
    TRY(std::vector<JsonPlace> elements, found->array());
    if (elements.size() > count_max) {
        return fail(over_limit(fmt::format("{}: {} entries, more than {}", found->path(),
                                           elements.size(), count_max)));
    }
    return elements;
}

Result<std::size_t> parse_index(const JsonPlace& place, std::size_t count) {
    TRY(const std::uint64_t index, place.whole_number());
    if (index >= count) {
        return fail(place.error(fmt::format("{} of {}: there is none", index, count)));
    }
    return static_cast<std::size_t>(index);
}

// BuildKit leaves 0 out, and writes -1 for none.
Result<std::optional<std::size_t>> parse_parent(const JsonPlace& layer, std::size_t count) {
    const auto place = layer.find("parent");
    if (!place) {
        return 0;
    }
    if (place->value().is_number_integer() && !place->value().is_number_unsigned()) {
        return std::nullopt;
    }
    TRY(const std::size_t index, parse_index(*place, count));
    return index;
}

Result<void> parse_annotations(const JsonPlace& place, CacheLayer& layer) {
    TRY(layer.blob.media_type, place.text_or_empty("mediaType"));
    if (const auto diff_id = place.find("diffID")) {
        TRY(layer.diff_id, diff_id->digest());
    }
    if (const auto size = place.find("size")) {
        TRY(layer.blob.size_bytes, size->whole_number());
        if (layer.blob.size_bytes > codec::kBlobBytesMax) {
            return fail(size->error("larger than any blob may be"));
        }
    }
    TRY(layer.blob.annotations, place.text_map_or_empty("additional"));
    return {};
}

Result<CacheLayer> parse_layer(const JsonPlace& place, std::size_t count) {
    CacheLayer layer;
    TRY(const JsonPlace blob, place.at("blob"));
    TRY(layer.blob.digest, blob.digest());
    TRY(layer.parent, parse_parent(place, count));
    if (const auto annotations = place.find("annotations")) {
        CHECK_OK(parse_annotations(*annotations, layer));
    }
    if (const auto own = place.find("lazybuild")) {
        TRY(const std::string compression, own->text_or_empty("compression"));
        layer.compression = exporter::compression_named(compression);
        if (const auto level = own->find("level")) {
            TRY(const std::uint64_t number, level->whole_number());
            layer.level = static_cast<int>(std::min<std::uint64_t>(number, 1000));
        }
    }
    return layer;
}

// No layer stands on itself, and no file system has more layers than there may be.
Result<void> check_parents(const std::vector<CacheLayer>& layers) {
    std::vector<std::size_t> depth(layers.size(), 0);  // 0: not known
    for (std::size_t start = 0; start < layers.size(); ++start) {
        std::vector<std::size_t> path;
        std::optional<std::size_t> at = start;
        while (at && depth[*at] == 0) {
            path.push_back(*at);
            at = layers[*at].parent;
            if (path.size() > kConfigChainMax) {
                return fail(corrupt(
                    fmt::format("cache config.layers[{}]: stands on itself, or on more than {}",
                                start, kConfigChainMax)));
            }
        }
        std::size_t below = at ? depth[*at] : 0;
        for (std::size_t i = path.size(); i-- > 0;) {
            depth[path[i]] = ++below;
        }
        if (below > kConfigChainMax) {
            return fail(over_limit(fmt::format("cache config.layers[{}]: on more than {} layers",
                                               start, kConfigChainMax)));
        }
    }
    return {};
}

Result<std::vector<CacheLink>> parse_alternatives(const JsonPlace& place, std::size_t records,
                                                  std::size_t& links) {
    TRY(const std::vector<JsonPlace> places, place.array());
    links += places.size() + 1;
    if (links > kConfigLinksMax) {
        return fail(
            over_limit(fmt::format("{}: more than {} inputs", place.path(), kConfigLinksMax)));
    }
    std::vector<CacheLink> alternatives;
    for (const JsonPlace& each : places) {
        CacheLink link;
        TRY(const JsonPlace index, each.at("link"));
        TRY(link.record, parse_index(index, records));
        TRY(link.selector, each.text_or_empty("selector"));
        if (link.selector.size() > kSelectorBytesMax) {
            return fail(over_limit(each.path() + ": a selector that is too long"));
        }
        alternatives.push_back(std::move(link));
    }
    return alternatives;
}

// Explicit lists of layers, where the order is not that of `parent`: made chains like the others.
class ChainMaker {
  public:
    explicit ChainMaker(std::vector<CacheLayer>& layers)
        : layers_(layers), written_(layers.size()) {}

    Result<std::optional<std::size_t>> top_of(const JsonPlace& chain) {
        TRY(const JsonPlace list, chain.at("layers"));
        TRY(const std::vector<JsonPlace> places, list.array());
        if (places.size() > kConfigChainMax) {
            return fail(over_limit(list.path() + ": too many layers"));
        }
        std::optional<std::size_t> top;
        for (const JsonPlace& place : places) {
            TRY(const std::size_t index, parse_index(place, written_));
            if (layers_[index].parent == top) {
                top = index;
                continue;
            }
            const auto [known, is_new] = made_.try_emplace(std::pair(index, top), layers_.size());
            if (is_new) {
                if (layers_.size() == kConfigLayersMax) {
                    return fail(over_limit(list.path() + ": more layers than a cache may have"));
                }
                CacheLayer layer = layers_[index];
                layer.parent = top;
                layers_.push_back(std::move(layer));
            }
            top = known->second;
        }
        return top;
    }

  private:
    std::vector<CacheLayer>& layers_;
    const std::size_t written_;
    std::map<std::pair<std::size_t, std::optional<std::size_t>>, std::size_t> made_;
};

Result<CacheRecord> parse_record(const JsonPlace& place, std::size_t records, std::size_t layers,
                                 ChainMaker& chains) {
    CacheRecord record;
    TRY(const JsonPlace digest, place.at("digest"));
    TRY(record.key, digest.digest());
    TRY(const auto inputs, array_or_empty(place, "inputs", kConfigLinksMax));
    std::size_t links = 0;
    for (const JsonPlace& input : inputs) {
        TRY(auto alternatives, parse_alternatives(input, records, links));
        record.inputs.push_back(std::move(alternatives));
    }
    TRY(const auto results, array_or_empty(place, "layers", kConfigLinksMax));
    TRY(const auto explicit_chains, array_or_empty(place, "chains", kConfigLinksMax));
    if (!results.empty()) {
        TRY(const JsonPlace index, results.front().at("layer"));
        TRY(record.layer, parse_index(index, layers));
    } else if (!explicit_chains.empty()) {
        TRY(record.layer, chains.top_of(explicit_chains.front()));
    }
    if (const auto own = place.find("lazybuild")) {
        record.ours = true;
        if (const auto id = own->find("id")) {
            TRY(record.id, id->digest());
        }
        if (const auto content = own->find("content")) {
            TRY(record.content, parse_index(*content, records));
        }
    }
    return record;
}

Result<void> parse_records(const JsonPlace& root, CacheConfig& config) {
    TRY(const auto places, array_or_empty(root, "records", kConfigRecordsMax));
    const std::size_t layers = config.layers.size();
    ChainMaker chains{config.layers};
    for (const JsonPlace& place : places) {
        TRY(CacheRecord record, parse_record(place, places.size(), layers, chains));
        config.records.push_back(std::move(record));
    }
    return {};
}

Result<void> parse_mounts(const JsonPlace& own, CacheConfig& config) {
    TRY(const auto places, array_or_empty(own, "mounts", kConfigMountsMax));
    for (const JsonPlace& place : places) {
        CacheMount mount;
        TRY(const JsonPlace key, place.at("key"));
        TRY(mount.key, key.digest());
        TRY(const JsonPlace layer, place.at("layer"));
        TRY(mount.layer, parse_index(layer, config.layers.size()));
        TRY(const auto ids, array_or_empty(place, "ids", kConfigChainMax));
        for (const JsonPlace& id : ids) {
            TRY(mount.ids.emplace_back(), id.digest());
        }
        if (mount.ids.size() != config.chain(mount.layer).size()) {
            return fail(place.error(fmt::format("{} ids for {} layers", mount.ids.size(),
                                                config.chain(mount.layer).size())));
        }
        config.mounts.push_back(std::move(mount));
    }
    return {};
}

Result<void> parse_own(const JsonPlace& place, CacheConfig& config) {
    TRY(const JsonPlace version, place.at("version"));
    TRY(const std::uint64_t number, version.whole_number());
    if (number > kVersionMax) {
        return fail(Error{.code = std::errc::not_supported,
                          .message = fmt::format("{}: {}, and this program knows {} at most; a "
                                                 "newer one wrote it",
                                                 version.path(), number, kVersionMax)});
    }
    config.ours = true;
    TRY(config.mode, place.text_or_empty("mode"));
    TRY(const auto images, array_or_empty(place, "images", kConfigImagesMax));
    for (const JsonPlace& each : images) {
        CacheImage image;
        TRY(const JsonPlace name, each.at("name"));
        TRY(image.name, name.text());
        TRY(image.platform, each.text_or_empty("platform"));
        TRY(const JsonPlace manifest, each.at("manifest"));
        TRY(image.manifest, codec::Descriptor::parse(manifest));
        TRY(const JsonPlace image_config, each.at("config"));
        TRY(image.config, codec::Descriptor::parse(image_config));
        config.images.push_back(std::move(image));
    }
    CHECK_OK(parse_mounts(place, config));
    if (const auto explain = place.find("explain")) {
        TRY(config.explain, codec::Descriptor::parse(*explain));
    }
    return {};
}

bool same_blob(const codec::Descriptor& one, const codec::Descriptor& other) {
    return one.digest == other.digest && one.media_type == other.media_type &&
           one.size_bytes == other.size_bytes && one.annotations == other.annotations;
}

}  // namespace

bool CacheLayer::operator==(const CacheLayer& other) const {
    return same_blob(blob, other.blob) && diff_id == other.diff_id && parent == other.parent &&
           compression == other.compression && level == other.level;
}

bool CacheImage::operator==(const CacheImage& other) const {
    return name == other.name && platform == other.platform &&
           same_blob(manifest, other.manifest) && same_blob(config, other.config);
}

bool CacheConfig::operator==(const CacheConfig& other) const {
    const bool same_explain = explain.has_value() == other.explain.has_value() &&
                              (!explain || same_blob(*explain, *other.explain));
    return same_explain && ours == other.ours && mode == other.mode && layers == other.layers &&
           records == other.records && images == other.images && mounts == other.mounts;
}

Result<CacheConfig> CacheConfig::parse(ByteView text) {
    TRY(const auto document, codec::JsonDocument::parse(text, "cache config", kConfigBytesMax));
    const JsonPlace root = document.root();
    if (!root.is_object()) {
        return fail(root.error("not an object"));
    }
    CacheConfig config;
    TRY(const auto layers, array_or_empty(root, "layers", kConfigLayersMax));
    for (const JsonPlace& place : layers) {
        TRY(CacheLayer layer, parse_layer(place, layers.size()));
        config.layers.push_back(std::move(layer));
    }
    CHECK_OK(check_parents(config.layers));
    CHECK_OK(parse_records(root, config));
    CHECK_OK(check_parents(config.layers));
    if (const auto own = root.find("lazybuild")) {
        CHECK_OK(parse_own(*own, config));
    }
    return config;
}

Result<CacheConfig> parse_inline(ByteView text, std::vector<CacheLayer> blobs) {
    TRY(const auto document, codec::JsonDocument::parse(text, "inline cache", kConfigBytesMax));
    TRY(const auto places, document.root().array());
    if (places.size() > kConfigRecordsMax || blobs.size() > kConfigChainMax) {
        return fail(over_limit("inline cache: more records or layers than there may be"));
    }
    CacheConfig config;
    for (CacheLayer& layer : blobs) {
        const std::size_t index = config.layers.size();
        layer.parent = index == 0 ? std::nullopt : std::optional{index - 1};
        config.layers.push_back(std::move(layer));
    }
    const std::size_t layers = config.layers.size();
    ChainMaker chains{config.layers};
    for (const JsonPlace& place : places) {
        TRY(CacheRecord record, parse_record(place, places.size(), layers, chains));
        config.ours = config.ours || record.ours;
        config.records.push_back(std::move(record));
    }
    CHECK_OK(check_parents(config.layers));
    return config;
}

std::vector<std::size_t> CacheConfig::chain(std::size_t top) const {
    std::vector<std::size_t> indices;
    for (std::optional<std::size_t> at = top; at; at = layers[*at].parent) {
        indices.push_back(*at);
    }
    std::ranges::reverse(indices);
    return indices;
}

}  // namespace lazybuild::cache
