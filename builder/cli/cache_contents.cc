// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cache_contents.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/file.h"
#include "builder/export/image_store.h"
#include "codec/oci_manifest.h"

namespace lazybuild::cli {
namespace {

/// Indexes in indexes: nobody needs more.
constexpr int kIndexDepthMax = 4;

// The blobs of an image that are here. A document that cannot be read needs nothing.
void add_needed(layers::LayerStore& store, const codec::Descriptor& document, int depth,
                std::set<codec::Digest>& needed) {
    needed.insert(document.digest);
    const auto path = store.blob_path(document.digest);
    if (!path || depth > kIndexDepthMax) {
        return;
    }
    const auto text = read_file(*path, codec::kJsonDocumentBytesMax);
    if (!text) {
        return;
    }
    if (const auto index = codec::Index::parse(as_bytes(*text), document.media_type);
        index && !index->manifests.empty()) {
        for (const codec::Descriptor& child : index->manifests) {
            add_needed(store, child, depth + 1, needed);
        }
        return;
    }
    if (const auto manifest = codec::Manifest::parse(as_bytes(*text), document.media_type)) {
        needed.insert(manifest->config.digest);
        for (const codec::Descriptor& layer : manifest->layers) {
            needed.insert(layer.digest);
        }
    }
}

Result<std::set<codec::Digest>> needed_blobs(layers::LayerStore& store) {
    TRY(auto images, exporter::ImageStore::open(store.root()));
    TRY(const auto kept, images.list());
    std::set<codec::Digest> needed;
    for (const exporter::StoredImage& image : kept) {
        add_needed(store, image.root, 0, needed);
    }
    return needed;
}

}  // namespace

Result<std::vector<CacheItem>> cache_contents(layers::LayerStore& store, solve::Records& records) {
    TRY(const std::vector<solve::Record> known, records.all());
    std::multimap<codec::Digest, const solve::Record*> by_layer;
    for (const solve::Record& record : known) {
        if (record.layer) {
            by_layer.emplace(*record.layer, &record);
        }
    }
    TRY(const layers::Usage usage, store.usage());
    TRY(const std::set<codec::Digest> needed, needed_blobs(store));
    std::vector<CacheItem> items;
    for (const layers::LayerUsage& layer : usage.layers) {
        CacheItem item{.kind = CacheItem::Kind::layer,
                       .digest = layer.id,
                       .size_bytes = layer.size_bytes,
                       .used_s = layer.used_s,
                       .in_use = layer.in_use};
        const auto [begin, end] = by_layer.equal_range(layer.id);
        for (auto record = begin; record != end; ++record) {
            item.keys.push_back(record->second->key);
            item.used_s = std::max(item.used_s, record->second->used_at_s);
            const std::string& text = record->second->text;
            if (std::ranges::find(item.texts, text) == item.texts.end()) {
                item.texts.push_back(text);
            }
        }
        items.push_back(std::move(item));
    }
    for (const layers::BlobUsage& blob : usage.blobs) {
        items.push_back({.kind = CacheItem::Kind::blob,
                         .digest = blob.digest,
                         .size_bytes = blob.size_bytes,
                         .used_s = blob.used_s,
                         .needed = needed.contains(blob.digest)});
    }
    for (const layers::LazyUsage& lazy : usage.lazy) {
        items.push_back({.kind = CacheItem::Kind::lazy,
                         .slot = lazy.slot,
                         .size_bytes = lazy.size_bytes,
                         .used_s = lazy.used_s,
                         .in_use = lazy.in_use});
    }
    std::ranges::sort(items, std::greater{}, &CacheItem::used_s);
    return items;
}

std::string_view kind_name(CacheItem::Kind kind) {
    switch (kind) {
        case CacheItem::Kind::layer: return "layer";
        case CacheItem::Kind::blob: return "blob";
        case CacheItem::Kind::lazy: break;
    }
    return "lazy";
}

Result<void> remove_item(const CacheItem& item, layers::LayerStore& store,
                         solve::Records& records) {
    switch (item.kind) {
        case CacheItem::Kind::blob: return store.remove_blob(item.digest);
        case CacheItem::Kind::lazy: return store.remove_lazy(item.slot);
        case CacheItem::Kind::layer: break;
    }
    CHECK_OK(store.remove_layer(item.digest));
    for (const codec::Digest& key : item.keys) {
        CHECK_OK(records.remove(key));
    }
    return {};
}

}  // namespace lazybuild::cli
