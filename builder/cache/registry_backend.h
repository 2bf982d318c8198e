// SPDX-License-Identifier: Apache-2.0
// Caches in registries: blobs beside a repository's images, named by a tag. Threads: as backend.h.
//
// Source: OCI distribution-spec v1.1.
#pragma once

#include <memory>

#include "builder/cache/backend.h"

namespace lazybuild::cache {

/// As open_target, for type=registry. Asks the registry nothing yet.
Result<std::unique_ptr<CacheTarget>> open_registry_target(const CacheTo& to,
                                                          layers::LayerStore& store,
                                                          image::Session& session);

}  // namespace lazybuild::cache
