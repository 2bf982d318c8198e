// SPDX-License-Identifier: Apache-2.0
// Caches in directories: OCI image layouts in which a tag names the cache. All of it is there,
// layers of bases too, so that the directory is enough. Threads: as backend.h.
//
// Source: OCI image-spec v1.1, image-layout.md; tags as BuildKit's type=local has them.
#pragma once

#include <memory>

#include "builder/cache/backend.h"

namespace lazybuild::cache {

/// As open_target, for type=local: makes the directory. Errors: also invalid_argument for one that
/// holds other things, device_or_resource_busy while another program writes to it.
Result<std::unique_ptr<CacheTarget>> open_local_target(const CacheTo& to, layers::LayerStore& store,
                                                       image::Session& session);
/// As open_source, for type=local. Without the tag the only cache that is there is taken.
/// Errors: also no_such_file_or_directory, naming the tags that there are.
Result<std::unique_ptr<CacheSource>> open_local_source(const CacheFrom& from,
                                                       image::Session& session);

}  // namespace lazybuild::cache
