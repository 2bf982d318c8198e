// SPDX-License-Identifier: Apache-2.0
// From compressed bytes to verified chunks on a layer's disk: inflate, SHA-256, write, mark.
// Nothing is kept whose digest does not hold, so nothing else has to be careful.
//
// Runs on the pool's threads; several decodes of one layer may run at once.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "snapshotter/store/chunk_table.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layer {

/// Bytes that should be those of the chunk. They stay the caller's.
struct DecodedChunk {
    store::ChunkIndex chunk = 0;
    ByteView bytes;
};

/// As much as is worth collecting, so that its chunks are digested side by side.
inline constexpr std::uint64_t kVerifiedTogetherBytes = 4 << 20;

/// Keeps the chunks whose bytes have their digests, up to the first where they have not.
/// Errors: bad_message for that one; errno values from writing.
Result<void> keep_verified(store::LayerFiles& files, std::span<const DecodedChunk> decoded);

/// Decodes the chunks of `run` that are not present yet. `compressed` is the blob from
/// `blob_offset_bytes`, and reaches at least to the end of the last chunk's member.
/// Errors: bad_message for a stream that does not inflate or a chunk with another digest (the
/// message says which; chunks before it are kept); errno values from writing.
Result<void> decode_chunks(store::LayerFiles& files, store::ChunkTable::Run run,
                           std::uint64_t blob_offset_bytes, ByteView compressed);

/// Takes a chunk from the disk as this machine left it before it went down, if its digest still
/// holds. Returns whether it did.
Result<bool> verify_claimed(store::LayerFiles& files, store::ChunkIndex chunk);

}  // namespace lazybuild::layer
