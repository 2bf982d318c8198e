// SPDX-License-Identifier: Apache-2.0
// Two file systems, file by file. Threads: as the sources; may block as they do.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/layers/file_source.h"

namespace lazybuild::exporter {

/// "mode", "0644", "0755".
struct AttributeChange {
    std::string what;  ///< type, mode, owner, size, content, time, target, device, xattrs
    std::string before;
    std::string after;
};

struct FileDifference {
    enum class Kind : std::uint8_t { added, removed, changed };
    Kind kind = Kind::changed;
    std::string path;       ///< from the root, without '/' in front
    layers::FileInfo info;  ///< of the file that is there; of the second when both are
    std::vector<AttributeChange> changes;
};

struct DiffOptions {
    bool times = true;  ///< whether another time is a difference
};

/// Calls `tell` for each difference, in the order of the paths; of a directory that only one has,
/// for everything in it. Errors: those of the sources and of `tell`.
Result<void> compare_files(layers::FileSource& before, layers::FileSource& after,
                           const DiffOptions& options,
                           const std::function<Result<void>(const FileDifference&)>& tell);

}  // namespace lazybuild::exporter
