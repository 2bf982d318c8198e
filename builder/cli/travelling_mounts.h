// SPDX-License-Identifier: Apache-2.0
// Cache mounts that come with --cache-from and go along with --cache-to (mounts=true).
//
// Threads: one call at a time; not on the reactor's.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "builder/cache/export_cache.h"
#include "builder/cache/import_cache.h"
#include "builder/cli/base_images.h"
#include "builder/cli/build_caches.h"
#include "builder/exec/layered_caches.h"
#include "builder/image/session.h"
#include "builder/layers/layer_store.h"
#include "builder/solve/progress.h"

namespace lazybuild::cli {

/// `imports` may be null. Everything outlives the answer.
std::unique_ptr<exec::LayeredCaches> open_layered_caches(layers::LayerStore& store,
                                                         image::Session& session,
                                                         cache::Imports* imports,
                                                         solve::Progress& progress);

struct MountsRequest {
    const std::vector<SolvedPlan>& plans;
    solve::Solver& solver;
    BaseImages& images;
    exec::LayeredCaches& caches;
    cache::Imports* imports = nullptr;
    image::Session& session;
    solve::Progress& progress;
};
/// What the caches hold that steps of the build have used, or would have if they had run: as they
/// are here, else as they were imported. One that cannot be read is left out with a warning.
/// Errors: operation_canceled; those of the records.
Result<std::vector<cache::BuiltMount>> built_mounts(const MountsRequest& request);

}  // namespace lazybuild::cli
