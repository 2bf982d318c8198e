// SPDX-License-Identifier: Apache-2.0
// What caches are written from, and writing them: the steps of a build as they were solved, and the
// images that they stand on.
//
// Threads: one call at a time; not on the reactor's.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "builder/cache/export_cache.h"
#include "builder/cli/base_images.h"
#include "builder/graph/plan.h"
#include "builder/image/session.h"
#include "builder/layers/layer_store.h"
#include "builder/solve/solver.h"

namespace lazybuild::cli {

/// One platform's plan, solved.
struct SolvedPlan {
    const graph::Plan& plan;
    const std::vector<codec::Digest>& result;  ///< ids of the layers of what is exported
};

/// Everything outlives the answer. Errors: those of the records.
Result<cache::BuiltCache> built_cache(const std::vector<SolvedPlan>& plans, solve::Solver& solver,
                                      BaseImages& images, layers::LayerStore& store);

/// Runs the steps of solved plans whose layers are nowhere any more, so that a cache of mode=max
/// can have them: pruned ones, and those that an imported cache has no layers of. Whether one made
/// something else than before: all has to be solved anew. Errors: those of the steps.
Result<bool> make_missing_layers(const std::vector<const graph::Plan*>& plans,
                                 solve::Solver& solver, layers::LayerStore& store);

/// All of `to` at once, in their order. Errors: those of cache::export_cache; the others are
/// written nevertheless.
Result<std::vector<cache::ExportedCache>> write_caches(const std::vector<cache::CacheTo>& to,
                                                       const cache::BuiltCache& built,
                                                       layers::LayerStore& store,
                                                       image::Session& session,
                                                       solve::Progress& progress);

}  // namespace lazybuild::cli
