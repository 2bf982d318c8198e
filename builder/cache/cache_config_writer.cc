// SPDX-License-Identifier: Apache-2.0
// The canonical bytes of a cache: layers by blob and by what is below them, records by key, each
// record's alternatives by number. Where things stood before says nothing.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <tuple>
#include <utility>

#include "builder/cache/cache_config.h"
#include "builder/export/compression_choice.h"
#include "codec/json.h"
#include "codec/sha256.h"

namespace lazybuild::cache {
namespace {

using codec::Json;

// Each layer together with all that is below it, as one digest.
std::vector<codec::Digest> chain_digests(const std::vector<CacheLayer>& layers) {
    std::vector<codec::Digest> digests(layers.size());
    std::vector<bool> done(layers.size(), false);
    for (std::size_t start = 0; start < layers.size(); ++start) {
        std::vector<std::size_t> path;
        std::optional<std::size_t> at = start;
        for (; at && !done[*at]; at = layers[*at].parent) {
            path.push_back(*at);
        }
        codec::Digest below = at ? digests[*at] : codec::Digest{};
        for (std::size_t i = path.size(); i-- > 0;) {
            const std::string text = below.text() + " " + layers[path[i]].blob.digest.text();
            below = codec::sha256(as_bytes(text));
            digests[path[i]] = below;
            done[path[i]] = true;
        }
    }
    return digests;
}

// Where each stands in `order`.
std::vector<std::size_t> places_in(const std::vector<std::size_t>& order) {
    std::vector<std::size_t> places(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        places[order[i]] = i;
    }
    return places;
}

// Numbers of `count` things in the order of their keys, equal ones as they were.
template <class KeyOf>
std::vector<std::size_t> sorted(std::size_t count, KeyOf key_of) {
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, [&key_of](std::size_t index) {
        return std::tuple_cat(key_of(index), std::tuple(index));
    });
    return order;
}

Json layer_json(const CacheLayer& layer, const std::vector<std::size_t>& places) {
    Json json = Json::object();
    json["blob"] = layer.blob.digest.text();
    if (!layer.parent) {
        json["parent"] = -1;
    } else if (places[*layer.parent] != 0) {
        json["parent"] = places[*layer.parent];  // 0 is left out, as BuildKit does
    }
    Json annotations = Json::object();
    if (!layer.blob.media_type.empty()) {
        annotations["mediaType"] = layer.blob.media_type;
    }
    if (layer.diff_id != codec::Digest{}) {
        annotations["diffID"] = layer.diff_id.text();
    }
    if (layer.blob.size_bytes != 0) {
        annotations["size"] = layer.blob.size_bytes;
    }
    for (const auto& [name, value] : layer.blob.annotations) {
        annotations["additional"][name] = value;
    }
    if (!annotations.empty()) {
        json["annotations"] = std::move(annotations);
    }
    if (layer.compression) {
        Json& own = json["lazybuild"];
        own["compression"] = exporter::compression_name(*layer.compression);
        if (layer.level >= 0) {
            own["level"] = layer.level;
        }
    }
    return json;
}

Json inputs_json(const CacheRecord& record, const std::vector<std::size_t>& places) {
    Json inputs = Json::array();
    for (std::vector<CacheLink> alternatives : record.inputs) {
        for (CacheLink& link : alternatives) {
            link.record = places[link.record];
        }
        std::ranges::sort(alternatives, {}, [](const CacheLink& link) {
            return std::pair(link.record, link.selector);
        });
        const auto twice = std::ranges::unique(alternatives);
        alternatives.erase(twice.begin(), twice.end());
        Json list = Json::array();
        for (const CacheLink& link : alternatives) {
            Json each = Json::object();
            if (!link.selector.empty()) {
                each["selector"] = link.selector;
            }
            each["link"] = link.record;
            list.push_back(std::move(each));
        }
        inputs.push_back(std::move(list));
    }
    return inputs;
}

// `layer_places`: where layers stand; empty for those of an image, which stay.
Json records_json(const std::vector<CacheRecord>& records,
                  const std::vector<std::size_t>& layer_places) {
    auto layer_place = [&layer_places](const CacheRecord& record) -> std::optional<std::size_t> {
        if (!record.layer || layer_places.empty()) {
            return record.layer;
        }
        return layer_places[*record.layer];
    };
    const auto order = sorted(records.size(), [&](std::size_t index) {
        const CacheRecord& record = records[index];
        return std::tuple(record.key, record.id, layer_place(record));
    });
    const std::vector<std::size_t> places = places_in(order);
    Json all = Json::array();
    for (const std::size_t index : order) {
        const CacheRecord& record = records[index];
        Json json = Json::object();
        if (const auto place = layer_place(record)) {
            Json result = Json::object();
            result["layer"] = *place;
            json["layers"] = Json::array({std::move(result)});
        }
        json["digest"] = record.key.text();
        if (!record.inputs.empty()) {
            json["inputs"] = inputs_json(record, places);
        }
        if (record.ours) {
            Json& own = json["lazybuild"] = Json::object();
            if (record.id) {
                own["id"] = record.id->text();
            }
            if (record.content) {
                own["content"] = places[*record.content];
            }
        }
        all.push_back(std::move(json));
    }
    return all;
}

Json mount_json(const CacheMount& mount, const std::vector<std::size_t>& layer_places) {
    Json json = Json::object();
    json["key"] = mount.key.text();
    json["layer"] = layer_places[mount.layer];
    json["ids"] = Json::array();
    for (const codec::Digest& id : mount.ids) {
        json["ids"].push_back(id.text());
    }
    return json;
}

Json own_json(const CacheConfig& config, const std::vector<std::size_t>& layer_places) {
    Json own = Json::object();
    own["version"] = 1;
    if (!config.mode.empty()) {
        own["mode"] = config.mode;
    }
    const auto order = sorted(config.images.size(), [&config](std::size_t index) {
        const CacheImage& image = config.images[index];
        return std::tuple(image.name, image.platform, image.manifest.digest);
    });
    for (const std::size_t index : order) {
        const CacheImage& image = config.images[index];
        Json json = Json::object();
        json["name"] = image.name;
        json["platform"] = image.platform;
        json["manifest"] = image.manifest.json();
        json["config"] = image.config.json();
        own["images"].push_back(std::move(json));
    }
    const auto mounts = sorted(config.mounts.size(), [&](std::size_t index) {
        const CacheMount& mount = config.mounts[index];
        return std::tuple(mount.key, layer_places[mount.layer], mount.ids);
    });
    for (const std::size_t index : mounts) {
        own["mounts"].push_back(mount_json(config.mounts[index], layer_places));
    }
    if (config.explain) {
        own["explain"] = config.explain->json();
    }
    return own;
}

}  // namespace

std::string CacheConfig::serialize() const {
    const std::vector<codec::Digest> chains = chain_digests(layers);
    const auto order = sorted(layers.size(), [&](std::size_t index) {
        return std::tuple(layers[index].blob.digest, chains[index]);
    });
    const std::vector<std::size_t> places = places_in(order);
    Json json = Json::object();
    for (const std::size_t index : order) {
        json["layers"].push_back(layer_json(layers[index], places));
    }
    if (!records.empty()) {
        json["records"] = records_json(records, places);
    }
    if (ours) {
        json["lazybuild"] = own_json(*this, places);
    }
    return codec::json_text(json);
}

std::string serialize_inline(const std::vector<CacheRecord>& records) {
    return codec::json_text(records_json(records, {}));
}

}  // namespace lazybuild::cache
