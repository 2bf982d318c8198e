// SPDX-License-Identifier: Apache-2.0
// Where caches are: the few functions that a kind of place has to have. What a cache holds, and
// which of it goes where, is decided above.
//
// Threads: all functions block; any but the reactor's, several calls at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/cache/cache_options.h"
#include "builder/export/documents.h"
#include "builder/export/layer_blobs.h"
#include "builder/image/image_source.h"
#include "builder/image/session.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::cache {

/// How a blob came to be in a cache.
enum class BlobWay : std::uint8_t {
    present,
    mounted,  ///< from another repository of the registry; no bytes moved
    uploaded,
    elsewhere,  ///< a base's, that stays where it is
};

/// What a place has under a cache's name.
struct CacheFound {
    codec::Digest root;  ///< of the document that the name stands for
    /// A cacheconfig; none: an image, which may have a cache in its own config.
    std::optional<codec::Descriptor> config;
    std::vector<codec::Descriptor> blobs;  ///< that it names; they are there
    /// Manifests of the image, one for each platform, when there is no config.
    std::vector<image::ImageDocument> images;
};

class CacheSource {
  public:
    virtual ~CacheSource() = default;
    /// nullopt: there is nothing under the name. Errors name the place or the document: those of
    /// reading, no_such_file_or_directory for a document that a directory's index names and has
    /// not, bad_message for one that is none.
    virtual Result<std::optional<CacheFound>> find() = 0;
    /// Its blobs. Lives as long as anybody has it.
    virtual std::shared_ptr<image::ImageSource> blobs() = 0;
};

struct Committed {
    codec::Descriptor root;  ///< the document that the name stands for
    bool unchanged = false;  ///< the name stood for it already
};

class CacheTarget {
  public:
    virtual ~CacheTarget() = default;
    /// What is there now: blobs that it names are not asked for again. Called first, once. The
    /// answer is its cacheconfig. Errors: those of CacheSource::find.
    virtual Result<std::optional<codec::Descriptor>> look() = 0;
    /// Its blobs, also those that are put.
    virtual std::shared_ptr<image::ImageSource> blobs() = 0;
    /// Puts a layer there by the cheapest way there is. Errors: naming blob and place.
    virtual Result<BlobWay> put(const exporter::ImageLayer& layer) = 0;
    /// A small document; one that is there stays. Errors: as put().
    virtual Result<void> put_bytes(const exporter::NamedDocument& blob) = 0;
    /// From now on the name stands for this cache, whose blobs are all there; called last, once.
    /// Errors: over_limit for more blobs than a manifest has room for; those of writing, after
    /// which the name stands for what it did before.
    virtual Result<Committed> commit(const codec::Descriptor& config,
                                     const std::vector<codec::Descriptor>& blobs) = 0;
};

/// `to` is registry or local; all outlive the target. Errors: those of making a directory.
Result<std::unique_ptr<CacheTarget>> open_target(const CacheTo& to, layers::LayerStore& store,
                                                 image::Session& session);
/// Errors: those of opening a directory.
Result<std::unique_ptr<CacheSource>> open_source(const CacheFrom& from, image::Session& session);

}  // namespace lazybuild::cache
