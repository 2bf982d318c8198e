// SPDX-License-Identifier: Apache-2.0
// The index of a cache: which keys there are, what their steps made, and in which blobs that is.
//
// The format is BuildKit's cacheconfig v0 (JSON), so that its tools read what we write:
//   layers[]   {blob, parent, annotations{mediaType, diffID, size}}: a blob on the one below it
//   records[]  {digest, inputs[][]{selector?, link}, layers[]{layer}}: a key, the records that its
//              step's inputs come from (alternatives, by input), and its file system's top layer
// Members of ours, which BuildKit passes over:
//   layers[].lazybuild   {compression, level, annotations}: how the blob was written
//   records[].lazybuild  {id, content}: what the step made (the empty layer, if it changed
//                        nothing; a record without an id is none of ours); the record of the
//                        same step under its other key
//   lazybuild            {version, mode, images[], mounts[], explain}: documents of bases; cache
//                        mounts {key, layer, ids}: its file system's top layer, and what each of
//                        the layers is, the bottom one first; texts of keys
// chains[] and createdAt are read and never written: equal caches have equal bytes.
//
// Source: BuildKit's cache/remotecache/v1. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "builder/layers/layer.h"
#include "codec/digest.h"
#include "codec/oci_descriptor.h"

namespace lazybuild::cache {

inline constexpr std::string_view kConfigType = "application/vnd.buildkit.cacheconfig.v0";
inline constexpr std::size_t kConfigBytesMax = 64 << 20;
inline constexpr std::size_t kConfigRecordsMax = 100'000;
inline constexpr std::size_t kConfigLayersMax = 100'000;
inline constexpr std::size_t kConfigImagesMax = 4096;
inline constexpr std::size_t kConfigMountsMax = 4096;
/// Of one record: inputs with their alternatives; results.
inline constexpr std::size_t kConfigLinksMax = 4096;
/// Of one file system.
inline constexpr std::size_t kConfigChainMax = 4096;

struct CacheLayer {
    /// A media type of "" and a size of 0: only the manifest beside the config says them.
    codec::Descriptor blob;
    codec::Digest diff_id;              ///< zeros: not said
    std::optional<std::size_t> parent;  ///< index of the layer below
    std::optional<layers::Compression> compression;
    int level = -1;

    bool operator==(const CacheLayer& other) const;
};

struct CacheLink {
    std::string selector;
    std::size_t record = 0;

    auto operator<=>(const CacheLink&) const = default;
};

struct CacheRecord {
    codec::Digest key;
    std::vector<std::vector<CacheLink>> inputs;
    std::optional<std::size_t> layer;  ///< the top one; none: the file system is nowhere
    bool ours = false;                 ///< what follows was said
    std::optional<codec::Digest> id;   ///< of the layer that the step made; always written
    /// The record of the same step by the content of what it reads, when this one is by name.
    std::optional<std::size_t> content;

    bool operator==(const CacheRecord&) const = default;
};

/// A base, so that builds that use it need not ask where it comes from.
struct CacheImage {
    std::string name;  ///< as images are looked up: with host and tag or digest
    std::string platform;
    codec::Descriptor manifest, config;

    bool operator==(const CacheImage& other) const;
};

/// What a RUN --mount=type=cache begins with.
struct CacheMount {
    codec::Digest key;               ///< exec::cache_key
    std::size_t layer = 0;           ///< the top one
    std::vector<codec::Digest> ids;  ///< of all its layers, bottom first

    bool operator==(const CacheMount&) const = default;
};

struct CacheConfig {
    std::vector<CacheLayer> layers;
    std::vector<CacheRecord> records;
    bool ours = false;  ///< "lazybuild" is there
    std::string mode;   ///< "min", "max": which records should have layers
    std::vector<CacheImage> images;
    std::vector<CacheMount> mounts;
    std::optional<codec::Descriptor> explain;

    /// Errors: bad_message with the path of the member, also for links to what is not there and
    /// for layers that stand on themselves; over_limit; not_supported for a newer version of ours.
    static Result<CacheConfig> parse(ByteView text);
    /// Equal layers, records, images and mounts give equal bytes, in whatever order they are here.
    std::string serialize() const;

    /// Layers below `top`, and it, the bottom one first.
    std::vector<std::size_t> chain(std::size_t top) const;

    bool operator==(const CacheConfig& other) const;
};

/// The value of an image config's "moby.buildkit.cache.v0": records alone; layer n is the image's
/// n-th. `records` link to each other; canonical as CacheConfig::serialize.
std::string serialize_inline(const std::vector<CacheRecord>& records);
/// `blobs` are the image's layers, the bottom one first. Errors: as CacheConfig::parse.
Result<CacheConfig> parse_inline(ByteView text, std::vector<CacheLayer> blobs);

}  // namespace lazybuild::cache
