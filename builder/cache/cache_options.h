// SPDX-License-Identifier: Apache-2.0
// --cache-to and --cache-from as written and checked: which cache, where, and what goes into it.
//
// The words are buildx's: CSV of KEY=VALUE, a bare reference is type=registry. `strict` and
// `mounts` are ours. Values never appear in an Error, because some are secrets; keys do.
// Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/layers/layer.h"
#include "codec/digest.h"

namespace lazybuild::cache {

enum class Backend : std::uint8_t { registry, local, inlined };

/// Which records have layers in an exported cache.
enum class Mode : std::uint8_t {
    min,  ///< those whose layers are in the result
    max,  ///< all
};

/// One --cache-to.
struct CacheTo {
    Backend backend = Backend::registry;
    std::string reference;       ///< registry: with host and tag
    bool insecure = false;       ///< registry: plain HTTP or any certificate will do
    std::string directory;       ///< local
    std::string tag = "latest";  ///< local: its name in index.json
    bool reset = false;          ///< local: nothing but this cache stays in the directory
    Mode mode = Mode::min;
    layers::Compression compression = layers::Compression::estargz;
    std::optional<int> compression_level;
    bool force_compression = false;
    bool oci_media_types = true;
    bool image_manifest = true;
    bool ignore_error = false;  ///< a cache that cannot be written is a warning
    bool strict = false;        ///< a record that has to be dropped is an error
    bool mounts = false;        ///< cache mounts travel, too

    /// `strict_default` is for when the text says nothing: whether CI=true.
    /// Errors: invalid_argument, naming the key and what is allowed; not_supported for a type that
    /// is known and not here.
    static Result<CacheTo> parse(const std::string& text, bool strict_default);
    /// For messages: the reference or directory, as the user knows it.
    std::string name() const;
    /// Of `compression`, when none was asked for.
    int level() const;
};

/// One --cache-from. An inline cache is read from its image's reference.
struct CacheFrom {
    Backend backend = Backend::registry;
    std::string reference;                ///< registry
    bool insecure = false;                ///< registry: as of CacheTo
    std::string directory;                ///< local
    std::string tag = "latest";           ///< local, unless `digest` says which
    std::optional<codec::Digest> digest;  ///< local: of the manifest or index

    /// Errors: as CacheTo::parse.
    static Result<CacheFrom> parse(const std::string& text);
    std::string name() const;
};

/// What one --cache-from names: "a,b" two references, each to be parsed; else one cache.
std::vector<std::string> caches_named(const std::string& text);

}  // namespace lazybuild::cache
