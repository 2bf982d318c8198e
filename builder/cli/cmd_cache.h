// SPDX-License-Identifier: Apache-2.0
// lazybuild cache ls|prune: what builds have left in their store, what it takes on the disk, and
// how to have the space again. What a build uses at the moment stays.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "builder/cli/process_console.h"

namespace lazybuild::cli {

struct CacheListArgs {
    std::string root = "/var/lib/lazybuild";
    bool json = false;
};

/// One line for each step that is known and each thing on the disk, and what they take in all,
/// which is what `du` says of the root.
ExitCode run(const CacheListArgs& args, image::Console& console);

struct CachePruneArgs {
    std::string root = "/var/lib/lazybuild";
    std::string older;  ///< "24h": only what was not used since; "" for all
    std::string keep;   ///< "10g": what was used last may stay up to this; "" for nothing
    bool all = false;   ///< cache mounts, too
    /// "type=KIND" (cache_contents.h; of several any will do), "until=24h" (as `older`).
    std::vector<std::string> filters;
};

/// Removes whatever it lists, but what a running build uses, what kept images need, and cache
/// mounts that were not asked for: they cannot be made again from anything else.
ExitCode run(const CachePruneArgs& args, image::Console& console);

}  // namespace lazybuild::cli
