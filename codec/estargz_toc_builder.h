// SPDX-License-Identifier: Apache-2.0
// The table of contents of an eStargz blob while the blob is being written: it is told of each
// batch and of where in the blob the batch went, and keeps the JSON, compressed, until the end. The
// JSON of a million files is some hundred megabytes; compressed it is some ten.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "codec/digest.h"
#include "codec/digest_sink.h"
#include "codec/estargz_batch.h"
#include "codec/estargz_toc_json.h"
#include "codec/gzip.h"
#include "codec/sha256.h"

namespace lazybuild::codec {

/// A sink that keeps what it gets in pieces, so that growing copies nothing.
class PieceStore final : public ByteSink {
  public:
    Result<void> write(ByteView bytes) override;
    const std::vector<Bytes>& pieces() const { return pieces_; }

  private:
    std::vector<Bytes> pieces_;
};

/// One thread at a time.
class EstargzTocBuilder {
  public:
    explicit EstargzTocBuilder(std::uint64_t chunk_bytes);

    /// The batches in their order, packed, and where in the blob each begins.
    /// Errors: over_limit past kTocBytesMax.
    Result<void> add(EstargzBatch& batch, std::uint64_t blob_offset_bytes);

    struct Totals {
        std::uint64_t size_bytes = 0;  ///< of the JSON
        Digest digest;
    };
    /// After the last batch.
    Result<Totals> finish();
    /// After finish(): the JSON.
    Result<void> copy_to(ByteSink& out) const;

  private:
    struct PlacedChunk {
        std::uint64_t blob_offset_bytes;
        std::uint64_t inner_offset_bytes;
        Digest digest;
    };
    struct OpenFile {
        EstargzLine line;
        std::vector<PlacedChunk> chunks;
        Sha256 whole;  // of a file of several chunks
    };

    Result<void> take_chunks(const EstargzBatch& batch, std::uint64_t blob_offset_bytes,
                             std::size_t& next);
    Result<void> write_file(OpenFile file);

    std::uint64_t chunk_bytes_;
    PieceStore compressed_;
    GzipWriter gzip_;
    DigestSink json_;
    TocJsonWriter writer_;
    std::optional<OpenFile> open_;  // its chunks are still to come
};

}  // namespace lazybuild::codec
