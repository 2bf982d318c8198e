// SPDX-License-Identifier: Apache-2.0
// From a layer's blob, as it arrives, to its plain tar.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "base/stream.h"
#include "codec/gzip.h"

namespace lazybuild::image {

/// Of one layer, uncompressed. A blob that says more is a bomb.
inline constexpr std::uint64_t kLayerTarBytesMax = std::uint64_t{1} << 38;

/// Takes a layer's blob in pieces and writes its tar to `out`, which outlives it. Whether it is
/// compressed is seen from its first bytes: media types are not to be relied on, and unpackers
/// do not. Errors: not_supported for zstd; those of GzipStream and `out`; over_limit.
/// Threads: one caller at a time.
class LayerUnpacker final : public ByteSink {
  public:
    explicit LayerUnpacker(ByteSink& out) : tar_(out) {}

    /// The first piece holds the first four bytes, unless the blob is smaller.
    Result<void> write(ByteView bytes) override;
    /// The blob has ended. Errors: bad_message when that was in the middle.
    Result<void> finish();

  private:
    ByteSink& tar_;
    std::uint64_t plain_bytes_ = 0;
    std::unique_ptr<codec::GzipStream> gzip_;  ///< when the blob is gzip
    bool started_ = false;
};

}  // namespace lazybuild::image
