// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/backend.h"

#include <utility>

#include "builder/cache/container.h"
#include "builder/cache/local_backend.h"
#include "builder/cache/registry_backend.h"
#include "builder/export/registry_push.h"
#include "builder/image/registry_image.h"
#include "snapshotter/registry/reference.h"

namespace lazybuild::cache {

Result<std::unique_ptr<CacheTarget>> open_target(const CacheTo& to, layers::LayerStore& store,
                                                 image::Session& session) {
    switch (to.backend) {
        case Backend::registry: return open_registry_target(to, store, session);
        case Backend::local: return open_local_target(to, store, session);
        case Backend::inlined: break;
    }
    return fail(invalid("an inline cache is written with its image"));
}

Result<std::unique_ptr<CacheSource>> open_source(const CacheFrom& from, image::Session& session) {
    if (from.backend == Backend::local) {
        return open_local_source(from, session);
    }
    TRY(registry::Reference reference, registry::Reference::parse(from.reference));
    if (from.insecure) {
        exporter::trust_repository(session, reference.repository);
    }
    return image_cache_source(image::registry_source(std::move(reference), session), {}, session);
}

}  // namespace lazybuild::cache
