// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build_caches.h"

#include <set>
#include <thread>
#include <utility>
#include <variant>

namespace lazybuild::cli {

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
