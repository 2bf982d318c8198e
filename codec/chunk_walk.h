// SPDX-License-Identifier: Apache-2.0
// Finds chunks in a blob that is inflated from its first byte to its last: which of the bytes that
// come out of its members are whose. It keeps none of them.
//
// What a table of contents says is not believed: a chunk that is not where it should be is told as
// missing, once, and the walk goes on.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace lazybuild::codec {

/// Where the bytes of a chunk are.
struct ChunkPlace {
    std::uint64_t blob_offset_bytes = 0;    ///< of the first byte of their member, in the blob
    std::uint64_t member_offset_bytes = 0;  ///< in that member, uncompressed
    std::uint64_t size_bytes = 0;           ///< not 0

    auto operator<=>(const ChunkPlace&) const = default;
};

/// Files of one content may share their bytes in the blob; more of them at a time is an attack on
/// memory.
inline constexpr std::size_t kOpenChunksMax = 16;

class ChunkWalk {
  public:
    /// Who is told. An Error of either ends the walk, and is that of take() or finish().
    class Visitor {
      public:
        virtual ~Visitor() = default;
        /// `bytes` of the chunk, from `offset_bytes` in it. The pieces of one chunk come in order.
        virtual Result<void> part(std::size_t chunk, std::uint64_t offset_bytes,
                                  ByteView bytes) = 0;
        /// It is not where its place says, or not all of it. No part of it comes any more.
        virtual Result<void> missing(std::size_t chunk) = 0;
    };

    /// `place_of(0)` to `place_of(count - 1)` are in ascending order and stay what they are.
    /// `visitor` outlives this.
    ChunkWalk(std::size_t count, std::function<ChunkPlace(std::size_t)> place_of, Visitor& visitor);

    /// The next bytes are those of the member at this place, which lies behind the one before.
    void begin_member(std::uint64_t blob_offset_bytes);

    /// The next bytes of the member. Errors: over_limit when more than kOpenChunksMax chunks
    /// share bytes; those of the visitor.
    Result<void> take(ByteView bytes);

    /// The blob has ended. Errors: those of the visitor.
    Result<void> finish();

  private:
    Result<void> open_chunks(std::uint64_t begin, std::uint64_t end);

    const std::size_t count_;
    const std::function<ChunkPlace(std::size_t)> place_of_;
    Visitor& visitor_;
    std::uint64_t member_ = 0;        // in the blob, of the member that is being inflated
    std::uint64_t offset_bytes_ = 0;  // in that member, of the next uncompressed byte
    std::size_t next_ = 0;            // the first chunk whose bytes have not come by yet
    std::vector<std::size_t> open_;   // those whose first bytes have come
};

}  // namespace lazybuild::codec
