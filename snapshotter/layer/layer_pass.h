// SPDX-License-Identifier: Apache-2.0
// One pass over a whole layer blob, first byte to last: keeps the chunks that are not here yet and
// computes what only a whole pass can, the digest of the blob and the diffID. It is fed compressed
// bytes as they come, and may rest for as long as it likes between two of them.
//
// Threads: one caller at a time, on the pool.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/chunk_walk.h"
#include "codec/digest.h"
#include "codec/layer_format.h"
#include "codec/sha256.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layer {

class LayerPass {
  public:
    /// Keeps `files` alive.
    explicit LayerPass(std::shared_ptr<store::LayerFiles> files);
    ~LayerPass();

    /// The next bytes of the blob. Errors: bad_message when they do not inflate or a chunk's digest
    /// does not hold; then the pass is over. The chunks before that are kept.
    Result<void> push(ByteView compressed);

    struct Digests {
        codec::Digest blob;
        codec::Digest diff_id;
    };
    /// After the last byte. Errors: bad_message when the blob ends too early or a chunk of the
    /// table was nowhere in it.
    Result<Digests> finish();

    /// Where in the blob the next byte to push comes from.
    std::uint64_t offset_bytes() const { return offset_bytes_; }

    LayerPass(const LayerPass&) = delete;
    LayerPass& operator=(const LayerPass&) = delete;

  private:
    class Sink;
    class Keeper;
    // A chunk whose first bytes have come.
    struct Open {
        store::ChunkIndex chunk;
        Bytes bytes;
    };

    Result<void> keep_part(store::ChunkIndex chunk, std::uint64_t offset_bytes, ByteView bytes);
    Result<void> keep_whole();

    std::shared_ptr<store::LayerFiles> files_;
    std::unique_ptr<Keeper> keeper_;
    codec::ChunkWalk walk_;
    std::unique_ptr<codec::BlobReader> reader_;
    codec::Sha256 blob_digest_;
    codec::Sha256 diff_id_;
    std::uint64_t offset_bytes_ = 0;
    std::vector<Open> open_;
    std::vector<Open> whole_;  // to be digested together, at the latest when push() returns
    std::uint64_t whole_bytes_ = 0;
};

}  // namespace lazybuild::layer
