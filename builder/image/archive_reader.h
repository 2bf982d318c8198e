// SPDX-License-Identifier: Apache-2.0
// A tar that a user handed in, entry by entry, through libarchive. The only file that knows it.
//
// Threads: one at a time for each object. All calls block on the disk.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/stream.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::image {

struct ArchiveEntry {
    enum class Kind { file, link, other };
    Kind kind = Kind::other;
    std::string path;  ///< "./" in front and repeated '/' are gone; may say anything else
    std::string
        target;  ///< of a link, symbolic or hard; relative to `path`'s directory if symbolic
    bool symbolic = false;
};

class ArchiveReader {
  public:
    /// Errors: errno, or bad_message for what is not a tar.
    static Result<ArchiveReader> open(const std::string& file, io::CancelToken cancel);
    ArchiveReader(ArchiveReader&&) noexcept;
    ArchiveReader& operator=(ArchiveReader&&) noexcept;
    ~ArchiveReader();

    /// nullopt at the end. Errors: over_limit past kArchiveEntriesMax; bad_message.
    Result<std::optional<ArchiveEntry>> next();
    /// The bytes of the entry that next() gave, once. Errors: besides, over_limit past
    /// kArchiveBytesMax of all entries, operation_canceled.
    Result<void> read_into(ByteSink& sink);

  private:
    struct Handle;
    explicit ArchiveReader(std::unique_ptr<Handle> handle);
    std::unique_ptr<Handle> handle_;
};

}  // namespace lazybuild::image
