// SPDX-License-Identifier: Apache-2.0
// lazybuild cache verify: whether the layers of all records of the store, or of a cache that could
// be imported, can still be had; if not, which step's, and what each place says where they should
// be.
#pragma once

#include <string>

#include "builder/cache/check_report.h"
#include "builder/cli/process_console.h"
#include "builder/image/session.h"

namespace lazybuild::cli {

struct CacheVerifyArgs {
    std::string root = "/var/lib/lazybuild";
    std::string cache_from;  ///< a cache instead of the store: cache::CacheFrom::parse
    bool full = false;       ///< every byte is read of what is here, or in the cache
    bool json = false;
    image::RegistryFlags registry;
};

/// failed when anything cannot be had, or the store or cache cannot be read. Writes nothing to
/// either.
ExitCode run(const CacheVerifyArgs& args, image::Console& console);

/// What cannot be had, with the steps that need it, and a line of figures.
std::string report_text(const cache::CheckReport& report);
/// One JSON document; "holds" is the verdict.
std::string report_json(const cache::CheckReport& report);

}  // namespace lazybuild::cli
