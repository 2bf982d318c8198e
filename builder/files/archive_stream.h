// SPDX-License-Identifier: Apache-2.0
// A tar that a Dockerfile or a user names, entry by entry, with all that it says about each file:
// plain, gzip, bzip2, xz or zstd, through libarchive. Not for other rooms.
//
// Threads: one at a time for each object, which reads its source there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "builder/layers/file_source.h"

namespace lazybuild::files {

inline constexpr std::uint64_t kUnpackedBytesMax = std::uint64_t{1} << 40;  ///< of one archive
inline constexpr std::size_t kUnpackedEntriesMax = 1'000'000;

struct ArchivedFile {
    std::string path;  ///< as written
    layers::FileInfo info;
    std::optional<std::string> hard_link;  ///< as written; `info` is then only owner, mode and time
};

class ArchiveStream {
  public:
    /// Reads what it is. Errors: bad_message for what is not a tar; those of `source`, which
    /// outlives it.
    static Result<ArchiveStream> open(ByteSource& source);
    ArchiveStream(ArchiveStream&&) noexcept;
    ArchiveStream& operator=(ArchiveStream&&) noexcept;
    ~ArchiveStream();

    /// nullopt at the end; what a FileInfo cannot say (a socket) is passed over.
    /// Errors: bad_message, over_limit.
    Result<std::optional<ArchivedFile>> next();
    /// The content of what next() gave: info.size_bytes of it, holes filled.
    Result<void> read_into(ByteSink& sink);

  private:
    struct Handle;
    explicit ArchiveStream(std::unique_ptr<Handle> handle);
    std::unique_ptr<Handle> handle_;
};

}  // namespace lazybuild::files
