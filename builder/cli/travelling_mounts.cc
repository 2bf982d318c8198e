// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/travelling_mounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "builder/exec/cache_layers.h"
#include "builder/exec/cache_mounts.h"
#include "builder/image/open_image.h"
#include "builder/layers/layer.h"

namespace lazybuild::cli {
namespace {

using graph::RunMount;
/// By key: ids, for messages.
using Keys = std::map<codec::Digest, std::string>;

/// Layers of the file system that a step makes; nullopt: not known without solving it anew.
Result<std::optional<std::vector<codec::Digest>>> layers_of(
    const MountsRequest& request, const graph::Plan& plan,
    const std::vector<solve::StepRecord>& records, graph::StepId step) {
    if (const auto* const image = std::get_if<graph::ImageStep>(&plan.steps[step].what)) {
        return request.images.layer_ids(*image, plan.steps[step].platform, request.caches.store());
    }
    if (std::holds_alternative<graph::ScratchStep>(plan.steps[step].what)) {
        return std::vector<codec::Digest>{};
    }
    const auto record = std::ranges::find(records, step, &solve::StepRecord::step);
    return record == records.end() ? std::nullopt : std::optional{record->layer_ids};
}

/// As steps name the caches that they want. A source that a symlink leads to is known only to
/// steps that ran.
Result<void> add_keys(const MountsRequest& request, const graph::Plan& plan, Keys& keys) {
    TRY(const std::vector<solve::StepRecord> records, request.solver.records(plan));
    for (const graph::Step& step : plan.steps) {
        const auto* const run = std::get_if<graph::RunStep>(&step.what);
        for (const RunMount& mount : run == nullptr ? std::vector<RunMount>{} : run->mounts) {
            if (mount.type != RunMount::Type::cache) {
                continue;
            }
            std::optional<exec::CacheSeed> seed;
            if (mount.from) {
                TRY(const auto known, layers_of(request, plan, records, *mount.from));
                if (!known) {
                    request.progress.warn(fmt::format(
                        "the cache mount {} is not exported unless its step runs: what it begins "
                        "with (from={}) is not known otherwise",
                        mount.id, plan.steps[*mount.from].text));
                    continue;
                }
                seed = exec::CacheSeed{.identity = layers::snapshot_id(*known).text(),
                                       .source = mount.source};
            } else if (!mount.source.empty()) {
                seed = exec::CacheSeed{.identity = {}, .source = mount.source};
            }
            keys.emplace(exec::cache_key({.root = {}, .mount = mount, .seed = seed, .cancel = {}}),
                         mount.id);
        }
    }
    return {};
}

}  // namespace

std::unique_ptr<exec::LayeredCaches> open_layered_caches(layers::LayerStore& store,
                                                         image::Session& session,
                                                         cache::Imports* imports,
                                                         solve::Progress& progress) {
    exec::LayeredCaches::Options options{
        .imported = {},
        .source =
            [&session](const store::Origin& origin) {
                return image::origin_source(origin, session);
            },
        .warn = [&progress](const std::string& message) { progress.warn(message); }};
    if (imports != nullptr) {
        options.imported = [imports](const codec::Digest& key) { return imports->find_mount(key); };
    }
    return std::make_unique<exec::LayeredCaches>(store, std::move(options));
}

Result<std::vector<cache::BuiltMount>> built_mounts(const MountsRequest& request) {
    Keys keys = request.caches.used();
    for (const SolvedPlan& solved : request.plans) {
        CHECK_OK(add_keys(request, solved.plan, keys));
    }
    std::vector<cache::BuiltMount> mounts;
    for (const auto& [key, name] : keys) {
        auto layers = exec::cache_layers(request.caches, key, request.session.wait().cancel);
        if (!layers) {
            if (layers.error().code == std::errc::operation_canceled) {
                return fail(std::move(layers).error());
            }
            request.progress.warn(fmt::format("the cache mount {} is not exported: {}", name,
                                              layers.error().message));
            continue;
        }
        cache::BuiltMount mount{.key = key, .name = name, .layer_ids = {}};
        if (*layers) {
            mount.layer_ids = **std::move(layers);
        } else if (request.imports != nullptr) {
            mount.layer_ids = request.imports->find_mount(key);
        }
        if (!mount.layer_ids.empty()) {
            mounts.push_back(std::move(mount));
        }
    }
    return mounts;
}

}  // namespace lazybuild::cli
