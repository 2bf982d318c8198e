// SPDX-License-Identifier: Apache-2.0
// SHA-256 of many files of a directory: several threads take them in turns, small ones some at a
// time, so that their digests are computed side by side (sha256_many.h). The bytes of small files
// may be kept: they are what the digest is of, and who copies need not read them once more.
// Not for other rooms.
#pragma once

#include <cstdint>
#include <memory>
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

/// All bytes of a file, somewhere in memory that it shares with its neighbours.
struct KeptBytes {
    std::shared_ptr<const Bytes> block;  ///< nullptr: they were not kept
    std::size_t begin_bytes = 0;
};
struct HashedFile {
    codec::Digest digest;
    KeptBytes kept;
};

/// Files that are being hashed. One of the two functions that end it is called before what it
/// refers to goes.
class HashWork;

/// `workers` begin (nullptr: nobody does); `directory` is referred to. At most `kept_bytes_max` of
/// all files together are kept.
std::shared_ptr<HashWork> begin_to_hash(const LocalDirectory& directory,
                                        std::vector<FileToHash> files, std::uint64_t kept_bytes_max,
                                        Workers* workers);
/// In the order of the files. The calling thread works too; others are waited for only as far as
/// they have begun. Errors: bad_message, naming a file that was written to meanwhile; errno.
Result<std::vector<HashedFile>> finish_hashing(HashWork& work);
/// Nobody wants to know any more.
void stop_hashing(HashWork& work);

}  // namespace lazybuild::files
