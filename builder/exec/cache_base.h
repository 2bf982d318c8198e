// SPDX-License-Identifier: Apache-2.0
// Small files beside a cache mount that say of which layers it is made: those that it stands on
// (`base`), and those as which it was exported (`exported`).
//
// Where the layers' blobs are is in the records of the layer store. Threads: any.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/layers/layer_store.h"
#include "codec/digest.h"

namespace lazybuild::exec {

inline constexpr std::size_t kCacheLayersMax = 64;  ///< of one cache

/// A layer, and blobs that hold it as far as they were known.
struct CacheLayer {
    codec::Digest id;
    std::vector<layers::LayerBlob> blobs;
};

struct CacheBase {
    std::vector<CacheLayer> layers;  ///< bottom first
    /// Of the files as they were, when they were exported (cache_layers.h).
    std::optional<codec::Digest> stamp;
};

/// nullopt: there is no such file. Errors: bad_message; over_limit.
Result<std::optional<CacheBase>> read_cache_base(const std::string& path);
/// Whole or not at all.
Result<void> write_cache_base(const std::string& path, const CacheBase& base);

}  // namespace lazybuild::exec
