// SPDX-License-Identifier: Apache-2.0
// Zstandard (RFC 8878) over libzstd: in order as pieces arrive, and whole frames. As for gzip, a
// layer is a run of frames that a reader sees as one stream; skippable frames hold nothing.
//
// Errors: bad_message for input that is not zstd, is cut off, or fails its checksum; over_limit
// past `output_bytes_max` or for a window of more than kZstdWindowBytesMax; those of the sink,
// unchanged. After an Error the object is of no further use. Threads: one caller at a time.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"

namespace lazybuild::codec {

/// What a frame may ask a reader to remember: as the zstd program, which then says --long=27.
inline constexpr std::uint64_t kZstdWindowBytesMax = 128 << 20;

inline constexpr int kZstdLevelMin = 1;
inline constexpr int kZstdLevelMax = 22;
inline constexpr int kZstdLevelDefault = 3;

/// Whether `begin`, the first four bytes of a blob, are those of a frame.
bool is_zstd(ByteView begin);

/// Compressed bytes that arrive in pieces, cut anywhere.
class ZstdStream {
  public:
    explicit ZstdStream(std::uint64_t output_bytes_max);
    ~ZstdStream();
    ZstdStream(const ZstdStream&) = delete;
    ZstdStream& operator=(const ZstdStream&) = delete;

    /// Writes to `out` all that `compressed` gives, in pieces of bounded size.
    Result<void> push(ByteView compressed, ByteSink& out);
    /// The input has ended. Errors: bad_message when that was not at the end of a frame.
    Result<void> finish();

  private:
    struct Context;
    std::unique_ptr<Context> context_;
};

/// Whole frames, with their content's size and checksum in them. Keeps its tables from call to
/// call. Equal text gives equal bytes (for one version of libzstd).
class ZstdFrameCompressor {
  public:
    /// `level`: kZstdLevelMin to kZstdLevelMax.
    explicit ZstdFrameCompressor(int level);
    ~ZstdFrameCompressor();
    ZstdFrameCompressor(const ZstdFrameCompressor&) = delete;
    ZstdFrameCompressor& operator=(const ZstdFrameCompressor&) = delete;

    /// Appends to `out` one frame that holds `text`.
    void append(ByteView text, Bytes& out);

  private:
    struct Context;
    std::unique_ptr<Context> context_;
};

}  // namespace lazybuild::codec
