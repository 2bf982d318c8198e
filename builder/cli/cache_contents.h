// SPDX-License-Identifier: Apache-2.0
// What lies in the store, as one list, whatever it is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/layers/layer_store.h"
#include "builder/solve/records.h"

namespace lazybuild::cli {

struct CacheItem {
    enum class Kind : std::uint8_t { layer, blob, lazy };
    Kind kind = Kind::layer;
    codec::Digest digest;  ///< of a layer or blob
    unsigned slot = 0;     ///< of caches of lazy layers
    std::uint64_t size_bytes = 0;
    std::int64_t used_s = 0;          ///< since 1970
    bool in_use = false;              ///< by a build that runs
    bool needed = false;              ///< by an image that is kept
    std::vector<std::string> texts;   ///< of the steps that made it
    std::vector<codec::Digest> keys;  ///< of their records
};

/// The last used first. Not on the reactor's thread.
Result<std::vector<CacheItem>> cache_contents(layers::LayerStore& store, solve::Records& records);

/// "layer", "blob", "lazy"
std::string_view kind_name(CacheItem::Kind kind);
/// Removes the item, and the records of a layer. Errors: device_or_resource_busy.
Result<void> remove_item(const CacheItem& item, layers::LayerStore& store, solve::Records& records);

}  // namespace lazybuild::cli
