// SPDX-License-Identifier: Apache-2.0
// From a layer's blob, as it arrives, to its plain tar.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"
#include "codec/gzip.h"
#include "codec/media_type.h"
#include "codec/zstd.h"

namespace lazybuild::codec {

/// Of one layer, uncompressed. A blob that says more is a bomb.
inline constexpr std::uint64_t kLayerTarBytesMax = std::uint64_t{1} << 38;

/// Takes a layer's blob in pieces and writes its tar to `out`, which outlives it. How it is
/// compressed is seen from its first bytes: media types are not to be relied on, and unpackers
/// do not. Errors: those of GzipStream, ZstdStream and `out`; over_limit past kLayerTarBytesMax.
/// Threads: one caller at a time.
class LayerUnpacker final : public ByteSink {
  public:
    explicit LayerUnpacker(ByteSink& out) : tar_(out) {}

    Result<void> write(ByteView bytes) override;
    /// The blob has ended. Errors: bad_message when that was in the middle.
    Result<void> finish();

    /// After the first four bytes.
    Compression compression() const {
        return gzip_ ? Compression::gzip : zstd_ ? Compression::zstd : Compression::none;
    }

  private:
    void begin();
    Result<void> unpack(ByteView bytes);

    ByteSink& tar_;
    std::uint64_t plain_bytes_ = 0;
    std::unique_ptr<GzipStream> gzip_;  // one of these two, or none
    std::unique_ptr<ZstdStream> zstd_;
    Bytes head_;  // of a blob that has not started
    bool started_ = false;
};

}  // namespace lazybuild::codec
