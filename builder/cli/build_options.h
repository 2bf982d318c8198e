// SPDX-License-Identifier: Apache-2.0
// What the flags of `lazybuild build` mean. Everything is checked here, before anything is done;
// all Errors are invalid_argument and name the flag.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/cache/cache_options.h"
#include "builder/cli/base_images.h"
#include "builder/cli/cmd_build.h"
#include "builder/exec/options.h"
#include "builder/export/exporter.h"
#include "builder/graph/plan.h"

namespace lazybuild::cli {

struct BuildOptions {
    /// All but contexts and target_platform, which come later.
    graph::PlanOptions plan;
    std::vector<codec::Platform> platforms;       ///< at least one
    std::map<std::string, std::string> contexts;  ///< name → place, as written
    exec::RunnerOptions runner;
    PullPolicy pull = PullPolicy::missing;
    std::vector<exporter::Output> outputs;  ///< at least one
    std::vector<cache::CacheFrom> cache_from;
    std::vector<cache::CacheTo> cache_to;
    bool inline_cache = false;  ///< images tell what their layers were made from
    bool strict_inline_cache = false;
    bool load = false;
    exporter::ExportOptions exporting;
    enum class Call : std::uint8_t { build, check, outline, targets };
    Call call = Call::build;
    bool json = false;  ///< of a call that is no build
};

/// Looks at the environment for --build-arg NAME, SOURCE_DATE_EPOCH, SSH_AUTH_SOCK, CI, and at
/// files that the flags name.
Result<BuildOptions> read_options(const BuildArgs& args);

}  // namespace lazybuild::cli
