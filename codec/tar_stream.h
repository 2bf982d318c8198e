// SPDX-License-Identifier: Apache-2.0
// The entries of a tar that arrives in pieces, cut anywhere. The same entries, limits and errors as
// TarReader's, which it is made of.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"
#include "codec/tar.h"

namespace lazybuild::codec {

/// Of all headers in front of one entry, and of what stands between two.
inline constexpr std::uint64_t kTarHeadersBytesMax = 8 * kTarExtensionBytesMax;

/// Is shown every byte of an archive once and in order, with what it is. Its Errors end the reading
/// and are passed on. Views are good for the call.
class TarVisitor {
  public:
    virtual ~TarVisitor() = default;
    /// `header`: its blocks, extension headers included. A regular file's payload follows, in
    /// pieces of any size, entry.entry.size_bytes in all, and then its padding.
    virtual Result<void> entry(TarEntry entry, ByteView header) = 0;
    virtual Result<void> payload(ByteView bytes) = 0;
    /// Up to the next block; less where the archive ends in it.
    virtual Result<void> padding(ByteView bytes) = 0;
    /// Of no entry: PAX global headers, the end marker and all that follows it.
    virtual Result<void> other(ByteView bytes) = 0;
};

/// Threads: one caller at a time. After an Error, no more calls.
class TarStream {
  public:
    /// `visitor` outlives it.
    explicit TarStream(TarVisitor& visitor) : visitor_(visitor) {}

    /// Errors: those of TarReader and the visitor; over_limit past kTarHeadersBytesMax.
    Result<void> push(ByteView bytes);
    /// The archive ends here. Errors: as push().
    Result<void> finish();

  private:
    enum class MoreToCome : bool { no, yes };
    Result<bool> take_header(ByteView bytes, MoreToCome more);
    Result<bool> take_pending(MoreToCome more);
    Result<void> take_body(ByteView& bytes);

    TarVisitor& visitor_;
    Bytes pending_;                    // of headers that have not all come yet
    std::size_t taken_bytes_ = 0;      // by the header that was taken last
    std::uint64_t offset_bytes_ = 0;   // in the archive, of what was not taken yet
    std::uint64_t payload_bytes_ = 0;  // still to come
    std::uint64_t padding_bytes_ = 0;
    bool ended_ = false;
};

}  // namespace lazybuild::codec
