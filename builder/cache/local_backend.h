// SPDX-License-Identifier: Apache-2.0
// Caches in directories: OCI image layouts in which a tag names the cache. All of it is there,
// layers of bases too, so that the directory is enough.
#pragma once

#include <memory>

#include "builder/cache/backend.h"

namespace lazybuild::cache {

/// As open_target, for type=local.
Result<std::unique_ptr<CacheTarget>> open_local_target(const CacheTo& to, layers::LayerStore& store,
                                                       image::Session& session);
/// As open_source, for type=local.
Result<std::unique_ptr<CacheSource>> open_local_source(const CacheFrom& from,
                                                       image::Session& session);

}  // namespace lazybuild::cache
