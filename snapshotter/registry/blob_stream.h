// SPDX-License-Identifier: Apache-2.0
// A blob that is being downloaded, as a stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::registry {

/// The bytes of a blob from some offset to its end, in order. They are not verified: who knows the
/// digest of what is read, or reads the whole blob, verifies it.
/// Destroyed before the end, it closes its connection.
class BlobStream {
  public:
    virtual ~BlobStream() = default;
    /// Fills a prefix of `out` (not empty, outlives the task) and returns its length; 0 only at the
    /// end of the blob. After an Error the stream is dead: reopen at offset_bytes().
    virtual io::Task<Result<std::size_t>> read(MutableByteView out, io::Wait wait) = 0;
    /// Where in the blob the next byte comes from.
    virtual std::uint64_t offset_bytes() const = 0;
    /// Of the whole blob; nullopt when the registry did not say.
    virtual std::optional<std::uint64_t> blob_size_bytes() const = 0;
};

}  // namespace lazybuild::registry
