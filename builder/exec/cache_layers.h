// SPDX-License-Identifier: Apache-2.0
// A cache mount as layers, for the export of a build's cache.
//
// A directory is compared with the layers as which it was exported before, so that only what has
// changed becomes a layer; of a cache that stands on layers the upper directory does. Nothing is
// read when no file was touched since. Neither what steps see nor its times change.
//
// Threads: any but the reactor's, which runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/exec/layered_caches.h"
#include "codec/digest.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::exec {

/// A larger cache does not travel.
inline constexpr std::uint64_t kExportedCacheBytesMax = std::uint64_t{4} << 30;
/// A cache of more layers is written anew as one.
inline constexpr std::size_t kExportedCacheLayersMax = 8;

/// Ids of the layers, which are in the layer store or known to it, bottom first; nullopt when the
/// cache is not here, or empty. Of private caches that of the first step.
/// Errors: timed_out when a step of another build has it for too long; over_limit for its size;
/// invalid_argument for names that no layer can have; operation_canceled; those of reading.
Result<std::optional<std::vector<codec::Digest>>> cache_layers(
    LayeredCaches& caches, const codec::Digest& key, const io::CancelToken& cancel,
    std::uint64_t size_max_bytes = kExportedCacheBytesMax);

}  // namespace lazybuild::exec
