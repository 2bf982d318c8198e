// SPDX-License-Identifier: Apache-2.0
// The document that holds a cache together where images are kept: an image manifest whose config
// is the cacheconfig (BuildKit's image-manifest=true), or an index of blobs and the cacheconfig.
//
// Sources: BuildKit's cache/remotecache; OCI image-spec v1.1. Threads: any.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "builder/cache/backend.h"
#include "builder/export/documents.h"
#include "builder/image/image_source.h"
#include "builder/image/session.h"
#include "codec/oci_descriptor.h"

namespace lazybuild::cache {

/// Blobs of one cache. A registry takes manifests of 4 MiB, which is fewer.
inline constexpr std::size_t kCacheBlobsMax = 100'000;

struct ContainerOptions {
    bool oci_media_types = true;
    bool image_manifest = true;
};

/// `image_manifest` needs OCI's types; an index of Docker's names gzip and uncompressed layers by
/// Docker's types, others by OCI's. Without annotations when there is no room for them. Errors:
/// over_limit for more blobs than a manifest has room for.
Result<exporter::NamedDocument> make_container(const codec::Descriptor& config,
                                               const std::vector<codec::Descriptor>& blobs,
                                               const ContainerOptions& options);

/// `document` as a cache; nullopt when it is something else (an image). Errors: bad_message.
Result<std::optional<CacheFound>> read_container(const registry::Document& document);

/// A cache, or an image, that is kept where images are. `root`: which, instead of what the source's
/// name stands for. `session` outlives it.
std::unique_ptr<CacheSource> image_cache_source(std::shared_ptr<image::ImageSource> source,
                                                std::optional<codec::Descriptor> root,
                                                image::Session& session);

}  // namespace lazybuild::cache
