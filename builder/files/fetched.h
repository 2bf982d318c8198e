// SPDX-License-Identifier: Apache-2.0
// What fetch_git and fetch_http keep in their directories from one build to the next, for those who
// want the space again.
//
// Threads: any. Nobody may fetch into the directory while something is removed from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace lazybuild::files {

/// A commit's files, or a file with what its server said of it, or what a killed build has left.
struct FetchedUsage {
    std::string name;              ///< in the directory
    std::uint64_t size_bytes = 0;  ///< as the file system counts it
    std::int64_t used_s = 0;       ///< since 1970: when a build last took it
};

/// By name; none when there is no such directory. Errors: errno of listing it.
Result<std::vector<FetchedUsage>> fetched_usage(const std::string& cache_directory);

/// `name` as fetched_usage says it; what is not there is fine. Never leaves half of it.
Result<void> remove_fetched(const std::string& cache_directory, const std::string& name);

/// Says that `path`, which is in such a directory, is used now. Failing is fine.
void note_fetched_use(const std::string& path);

}  // namespace lazybuild::files
