// SPDX-License-Identifier: Apache-2.0
// SHA-256 of many files of a directory: several threads take them in turns, small ones some at a
// time, so that their digests are computed side by side (sha256_many.h). Not for other rooms.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/workers.h"
#include "builder/files/local_directory.h"
#include "builder/files/stat_index.h"
#include "codec/digest.h"

namespace lazybuild::files {

struct FileToHash {
    std::string path;
    FileStamp stamp;  ///< what it must still have
};

/// Digests in the order of `files`. The calling thread works too; `workers` may be nullptr, and are
/// waited for only as far as they have begun. Errors: bad_message, naming a file that was written
/// to meanwhile; errno.
Result<std::vector<codec::Digest>> hash_files(const LocalDirectory& directory,
                                              const std::vector<FileToHash>& files,
                                              Workers* workers);

}  // namespace lazybuild::files
