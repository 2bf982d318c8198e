// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build_caches.h"

#include <set>
#include <thread>
#include <utility>
#include <variant>

namespace lazybuild::cli {
namespace {

// Without fetching anything: of a layer that only a cache has, the blob goes on as it is.
Result<bool> can_be_had(layers::LayerStore& store, const codec::Digest& layer) {
    TRY(const std::vector<layers::LayerBlob> blobs, store.blobs(layer));
    for (const layers::LayerBlob& blob : blobs) {
        TRY(const auto origins, store.origins(blob.descriptor.digest));
        if (blob.imported || !origins.empty() || store.blob_path(blob.descriptor.digest)) {
            return true;
        }
    }
    TRY(const layers::LayerPointer here, store.find(layer));
    return here != nullptr;
}

// Whether one of them made something else: all was resolved anew, and is to be looked at again.
Result<bool> make_missing(const graph::Plan& plan, solve::Solver& solver,
                          layers::LayerStore& store) {
    TRY(const std::vector<solve::StepRecord> records, solver.records(plan));
    for (const solve::StepRecord& record : records) {
        TRY(const bool had, can_be_had(store, record.layer));
        if (had) {
            continue;
        }
        const auto opened = solver.open(plan, record.step);
        if (!opened && opened.error().code == std::errc::resource_unavailable_try_again) {
            return true;
        }
        if (!opened) {
            return fail(opened.error());
        }
    }
    return false;
}

}  // namespace

Result<bool> make_missing_layers(const std::vector<const graph::Plan*>& plans,
                                 solve::Solver& solver, layers::LayerStore& store) {
    bool differs = false;
    for (const graph::Plan* const plan : plans) {
        // Each round makes a step, and none is made twice.
        for (std::size_t rounds = 0; rounds <= plan->steps.size(); ++rounds) {
            TRY(const bool again, make_missing(*plan, solver, store));
            if (!again) {
                break;
            }
            differs = true;
        }
    }
    return differs;
}

Result<cache::BuiltCache> built_cache(const std::vector<SolvedPlan>& plans, solve::Solver& solver,
                                      BaseImages& images, layers::LayerStore& store) {
    cache::BuiltCache built;
    std::set<std::pair<std::string, std::string>> seen;
    for (const SolvedPlan& solved : plans) {
        TRY(std::vector<solve::StepRecord> records, solver.records(solved.plan));
        std::ranges::move(records, std::back_inserter(built.records));
        built.results.push_back(solved.result);
        for (const graph::Step& step : solved.plan.steps) {
            const auto* const image = std::get_if<graph::ImageStep>(&step.what);
            if (image == nullptr || !seen.emplace(image->place, step.platform.text()).second) {
                continue;
            }
            TRY(cache::BaseImage base, images.documents(*image, step.platform, store));
            built.bases.push_back(std::move(base));
        }
    }
    return built;
}

Result<std::vector<cache::ExportedCache>> write_caches(const std::vector<cache::CacheTo>& to,
                                                       const cache::BuiltCache& built,
                                                       layers::LayerStore& store,
                                                       image::Session& session,
                                                       solve::Progress& progress) {
    std::vector<Result<cache::ExportedCache>> results(to.size(), cache::ExportedCache{});
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < to.size(); ++i) {
            threads.emplace_back([&, i] {
                results[i] = cache::export_cache(to[i], built, store, session, progress);
            });
        }
    }
    std::vector<cache::ExportedCache> written;
    for (Result<cache::ExportedCache>& result : results) {
        TRY(cache::ExportedCache one, std::move(result));
        written.push_back(std::move(one));
    }
    return written;
}

}  // namespace lazybuild::cli
