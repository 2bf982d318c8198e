// SPDX-License-Identifier: Apache-2.0
// What directories of the store hold and take. Threads: any; all block on the disk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace lazybuild::layers {

/// The names in a directory, sorted; none when it is missing. Errors: errno.
Result<std::vector<std::string>> names_in(const std::string& directory);

struct DiskUse {
    std::uint64_t size_bytes = 0;  ///< as the file system counts it (st_blocks)
    std::int64_t changed_s = 0;    ///< mtime of `path` itself
};
/// Of `path` and all below it on its file system, as du(1) counts: a file with several names in it
/// once. What goes meanwhile, or may not be read, is not counted. Errors: errno, for `path` itself.
Result<DiskUse> measure(const std::string& path);

}  // namespace lazybuild::layers
