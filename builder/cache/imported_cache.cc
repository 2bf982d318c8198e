// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/imported_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "builder/cache/explanations.h"
#include "builder/layers/image_layer_ids.h"
#include "codec/json.h"
#include "snapshotter/registry/base64.h"

namespace lazybuild::cache {
namespace {

constexpr std::uint64_t kDocumentBytesMax = codec::kJsonDocumentBytesMax;

Error nothing_here(std::string message) {
    return Error{.code = std::errc::no_such_file_or_directory, .message = std::move(message)};
}

std::vector<CacheLayer> layers_of(const codec::Manifest& manifest,
                                  const std::vector<codec::Digest>& diff_ids) {
    std::vector<CacheLayer> layers;
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
        layers.push_back({.blob = manifest.layers[i],
                          .diff_id = diff_ids[i],
                          .parent = {},
                          .compression = layers::compression_of(manifest.layers[i])});
    }
    return layers;
}

}  // namespace

Result<std::unique_ptr<ImportedCache>> ImportedCache::read(std::string name, CacheSource& source,
                                                           image::Session& session) {
    TRY(const std::optional<CacheFound> found, source.find());
    if (!found) {
        return fail(nothing_here("not found"));
    }
    std::unique_ptr<ImportedCache> cache(
        new ImportedCache(std::move(name), source.blobs(), session));
    if (found->config) {
        CHECK_OK(cache->read_config(*found));
    } else {
        CHECK_OK(cache->read_images(*found));
    }
    cache->index();
    return cache;
}

Result<void> ImportedCache::read_config(const CacheFound& found) {
    for (const codec::Descriptor& blob : found.blobs) {
        named_.emplace(blob.digest, blob);
    }
    TRY(const Bytes text, session_.wait_for(image::read_blob(session_, *blobs_, *found.config,
                                                             kConfigBytesMax, session_.wait())));
    TRY(CacheConfig config, CacheConfig::parse(text));
    configs_.push_back(std::move(config));
    return {};
}

Result<void> ImportedCache::read_images(const CacheFound& found) {
    inlined_ = true;
    for (const image::ImageDocument& image : found.images) {
        TRY(const image::ConfigDocument document,
            session_.wait_for(
                image::read_config(session_, *blobs_, *image.manifest, session_.wait())));
        TRY(const auto json, codec::JsonDocument::parse(document.bytes, "config"));
        TRY(const std::string encoded, json.root().text_or_empty("moby.buildkit.cache.v0"));
        if (encoded.empty()) {
            continue;  // another platform may have one; none at all is said below
        }
        const auto text = registry::base64_decode(encoded);
        if (!text) {
            return fail(corrupt("its inline cache is not base64"));
        }
        for (const codec::Descriptor& blob : image.manifest->layers) {
            named_.emplace(blob.digest, blob);
        }
        TRY(CacheConfig config,
            parse_inline(as_bytes(*text), layers_of(*image.manifest, document.config.diff_ids)));
        configs_.push_back(std::move(config));
    }
    if (configs_.empty()) {
        return fail(nothing_here(
            "it is an image without an inline cache; one is made with --cache-to type=inline"));
    }
    return {};
}

void ImportedCache::index() {
    for (std::size_t config = 0; config < configs_.size(); ++config) {
        const std::vector<CacheRecord>& records = configs_[config].records;
        for (std::size_t record = 0; record < records.size(); ++record) {
            if (!records[record].ours || !records[record].id) {
                continue;  // whoever reads the cache asks has_own_records()
            }
            const auto [known, is_new] =
                by_key_.try_emplace(records[record].key, Place{.config = config, .record = record});
            const CacheRecord& other = configs_[known->second.config].records[known->second.record];
            if (!is_new && !other.layer && records[record].layer) {
                known->second = {.config = config, .record = record};
            }
        }
    }
}

std::size_t ImportedCache::record_count() const {
    std::size_t count = 0;
    for (const CacheConfig& config : configs_) {
        count += config.records.size();
    }
    return count;
}

bool ImportedCache::has_texts() const {
    return std::ranges::any_of(
        configs_, [](const CacheConfig& config) { return config.explain.has_value(); });
}

std::optional<layers::LayerBlob> ImportedCache::blob_of(const CacheLayer& layer) const {
    codec::Descriptor blob = layer.blob;
    const auto named = named_.find(blob.digest);
    if (named != named_.end() && (blob.size_bytes == 0 || blob.media_type.empty())) {
        blob = named->second;
    }
    if (blob.size_bytes == 0 || blob.media_type.empty()) {
        return std::nullopt;
    }
    return layers::LayerBlob{
        .descriptor = blob,
        .diff_id = layer.diff_id,
        .compression = layer.compression.value_or(layers::compression_of(blob)),
        .level = layer.level,
        .imported = true};
}

Result<std::size_t> ImportedCache::tell(layers::LayerStore& store) const {
    std::vector<layers::ImportedLayer> told;
    std::set<std::pair<codec::Digest, codec::Digest>> seen;
    std::set<codec::Digest> made_by_steps;
    std::size_t unknown = 0;
    auto add = [&](const codec::Digest& id, const CacheLayer& layer) {
        std::optional<layers::LayerBlob> blob = blob_of(layer);
        if (!blob) {
            return false;
        }
        made_by_steps.insert(blob->descriptor.digest);
        if (seen.emplace(id, blob->descriptor.digest).second) {  // else told, for its other key
            told.push_back({.id = id, .blob = *std::move(blob)});
        }
        return true;
    };
    for (const auto& [key, place] : by_key_) {
        const CacheConfig& config = configs_[place.config];
        const CacheRecord& record = config.records[place.record];
        if (!record.layer) {
            continue;  // nowhere: find() says so
        }
        const CacheLayer& layer = config.layers[*record.layer];
        unknown += add(*record.id, layer) ? 0 : 1;
    }
    for (const CacheConfig& config : configs_) {
        for (const CacheMount& mount : config.mounts) {
            const std::vector<std::size_t> chain = config.chain(mount.layer);
            for (std::size_t i = 0; i < chain.size(); ++i) {
                // Of one that is not known nothing is found: the cache mount begins empty.
                static_cast<void>(add(mount.ids[i], config.layers[chain[i]]));
            }
        }
    }
    if (!told.empty()) {
        CHECK_OK(store.import_layers(blobs_, told));
    }
    for (const CacheConfig& config : configs_) {
        for (const CacheLayer& layer : config.layers) {
            const codec::Digest& blob = layer.blob.digest;
            const bool of_a_base = named_.contains(blob) && made_by_steps.insert(blob).second;
            if (of_a_base && has_own_records()) {
                CHECK_OK(store.add_origin(blob, blobs_->origin()));
            }
        }
    }
    return unknown;
}

std::string ImportedCache::why_no_layer(const CacheConfig& config) const {
    if (inlined_) {
        return fmt::format(
            "the cache in the image {} is inline: only the image's own layers are in it; "
            "--cache-to type=registry,ref=…,mode=max has all",
            name_);
    }
    if (config.mode == "min") {
        return fmt::format(
            "the cache {} was exported with mode=min: its layer was never uploaded; "
            "mode=max has all",
            name_);
    }
    return fmt::format("the cache {} was exported without its layer, which was lost", name_);
}

std::optional<solve::ImportedRecord> ImportedCache::find(const codec::Digest& key) const {
    const auto place = by_key_.find(key);
    if (place == by_key_.end()) {
        return std::nullopt;
    }
    const CacheConfig& config = configs_[place->second.config];
    const CacheRecord& known = config.records[place->second.record];
    solve::ImportedRecord found;
    found.cache = name_;
    found.record.key = key;
    found.record.layer = *known.id;
    if (known.content) {
        found.record.content_key = config.records[*known.content].key;
    }
    for (const auto& alternatives : known.inputs) {
        if (!alternatives.empty()) {
            found.record.inputs.push_back(config.records[alternatives.front().record].key);
        }
    }
    if (!known.layer) {
        found.no_layer = why_no_layer(config);
    }
    return found;
}

std::vector<codec::Digest> ImportedCache::find_mount(const codec::Digest& key) const {
    for (const CacheConfig& config : configs_) {
        const auto mount = std::ranges::find(config.mounts, key, &CacheMount::key);
        if (mount != config.mounts.end()) {
            return mount->ids;
        }
    }
    return {};
}

Result<const Explanations*> ImportedCache::explanations() {
    const std::lock_guard lock(mutex_);
    if (!explanations_) {
        auto fetch = [this]() -> Result<Explanations> {
            Explanations all;
            for (const CacheConfig& config : configs_) {
                if (!config.explain) {
                    continue;  // an inline cache has no room for them
                }
                TRY(const Bytes blob,
                    session_.wait_for(image::read_blob(session_, *blobs_, *config.explain,
                                                       kExplanationsBytesMax, session_.wait())));
                TRY(Explanations records, read_explanations(blob));
                all.merge(records);
            }
            return all;
        };
        explanations_ = fetch();
    }
    if (!*explanations_) {
        return fail(explanations_->error());
    }
    return &**explanations_;
}

solve::ImportedRecord ImportedCache::complete(const solve::Record& explanation) const {
    solve::ImportedRecord found{.record = explanation, .cache = name_, .no_layer = {}};
    if (const auto known = find(explanation.key)) {
        found.record.layer = known->record.layer;
        found.record.content_key = known->record.content_key;
        found.record.inputs = known->record.inputs;
        found.no_layer = known->no_layer;
    }
    return found;
}

Result<std::optional<ImportedCache::Documents>> ImportedCache::find_image(
    const std::string& name, const std::string& platform) const {
    for (const CacheConfig& config : configs_) {
        const auto image = std::ranges::find_if(config.images, [&](const CacheImage& each) {
            return each.name == name && each.platform == platform;
        });
        if (image == config.images.end()) {
            continue;
        }
        Documents documents;
        documents.manifest.descriptor = image->manifest;
        TRY(documents.manifest.bytes,
            session_.wait_for(image::read_blob(session_, *blobs_, image->manifest,
                                               kDocumentBytesMax, session_.wait())));
        TRY(documents.manifest.manifest,
            codec::Manifest::parse(documents.manifest.bytes, image->manifest.media_type));
        if (documents.manifest.manifest->config.digest != image->config.digest) {
            return fail(corrupt(fmt::format("the manifest of {} names another config", name)));
        }
        TRY(documents.config.bytes,
            session_.wait_for(image::read_blob(session_, *blobs_, image->config, kDocumentBytesMax,
                                               session_.wait())));
        TRY(documents.config.config, codec::ImageConfig::parse(documents.config.bytes));
        return documents;
    }
    return std::nullopt;
}

}  // namespace lazybuild::cache
