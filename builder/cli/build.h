// SPDX-License-Identifier: Apache-2.0
// One build, from flags to what came out: every object that it needs, made in the order in which
// it is needed. What an unchanged build does not need is not made at all.
//
// Threads: one, which is not the reactor's, while the session is in run_blocking().
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "builder/cache/export_cache.h"
#include "builder/cache/import_cache.h"
#include "builder/cli/base_images.h"
#include "builder/cli/build_checks.h"
#include "builder/cli/build_contexts.h"
#include "builder/cli/build_log.h"
#include "builder/cli/build_options.h"
#include "builder/exec/key_agent.h"
#include "builder/exec/layered_caches.h"
#include "builder/export/blob_flights.h"
#include "builder/layers/layer_store.h"
#include "builder/solve/solver.h"

namespace lazybuild::cli {

struct BuildResult {
    std::vector<exporter::Exported> exported;  ///< of outputs that make images
    std::vector<cache::ExportedCache> caches;
    std::string text;  ///< of a --call: for stdout
    std::optional<Checked> checked;
};

class Build {
  public:
    /// Everything outlives it.
    Build(const BuildArgs& args, BuildOptions options, image::Session& session, BuildLog& log);
    ~Build();
    Build(const Build&) = delete;
    Build& operator=(const Build&) = delete;

    /// Errors: as they come; those of the Dockerfile with its lines.
    Result<BuildResult> run();
    /// What became of each step, and why: for people. After run(), also when it has failed.
    std::string explanation();

  private:
    struct Platform {
        codec::Platform platform;
        graph::Plan plan;
        std::vector<solve::Solved> solved;
    };

    Result<BuildResult> build();
    Result<void> open();
    Result<void> read_dockerfile();
    Result<void> make_plans();
    Result<graph::Plan> make_plan(const codec::Platform& platform);
    Result<void> resolve_epoch();
    Result<std::int64_t> find_epoch(const std::string& name);
    Result<void> resolve(const std::vector<graph::ImageWanted>& missing);
    std::string call() const;
    Result<void> open_solver();
    Result<void> start_agents();
    Result<void> solve();
    Result<void> solve_plans();
    Result<void> export_all(BuildResult& result);
    Result<void> export_images(BuildResult& result);
    Result<std::vector<exporter::BuiltImage>> built_images();
    Result<std::string> inline_cache(const graph::Plan& plan,
                                     const std::vector<codec::Digest>& layer_ids);

    const BuildArgs& args_;
    BuildOptions options_;
    image::Session& session_;
    BuildLog& log_;

    std::unique_ptr<layers::LayerStore> store_;
    std::unique_ptr<solve::Records> records_;
    std::unique_ptr<cache::Imports> imports_;
    std::unique_ptr<BaseImages> images_;
    std::unique_ptr<BuildContexts> contexts_;
    dockerfile::Dockerfile file_;
    graph::Images known_;
    std::vector<std::unique_ptr<Platform>> platforms_;
    std::optional<Checked> checked_;
    std::vector<std::unique_ptr<exec::KeyAgent>> agents_;
    std::unique_ptr<exec::LayeredCaches> layered_caches_;
    std::unique_ptr<solve::StepRunner> runner_;
    std::unique_ptr<solve::Solver> solver_;
    exporter::BlobFlights flights_;
};

}  // namespace lazybuild::cli
