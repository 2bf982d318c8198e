// SPDX-License-Identifier: Apache-2.0
// A layer's tar as a blob that has no index: compressed with gzip or zstd, or as it is. Digest and
// diffID are computed on the way.
//
// Pieces of a fixed size are compressed side by side, each as a gzip member or a zstd frame of its
// own, which every unpacker reads as one stream: so the blob is the same whatever the workers are.
// gzip is libdeflate's at every level, since what ISA-L writes depends on the CPU.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"
#include "base/workers.h"
#include "codec/layer_writer.h"
#include "codec/media_type.h"

namespace lazybuild::codec {

inline constexpr int kPlainGzipLevelMin = 0;  ///< not compressed at all
inline constexpr int kPlainGzipLevelMax = 12;
inline constexpr int kPlainGzipLevelDefault = 6;

/// Threads: one caller at a time, any; `out` is written to on the caller's.
class PlainLayerWriter : public ByteSink {
  public:
    /// `level`: kPlainGzipLevelMin to …Max, or kZstdLevelMin to …Max; not looked at without
    /// compression. `workers` and `out` outlive it. Memory: some 20 MiB (gzip), 80 MiB (zstd).
    /// Errors: invalid_argument for a level out of range.
    static Result<std::unique_ptr<PlainLayerWriter>> create(Compression compression,
                                                            std::optional<int> level,
                                                            Workers& workers, ByteSink& out);
    /// The next bytes of the tar. Errors: those of `out`.
    Result<void> write(ByteView bytes) override = 0;
    /// The tar has ended. WrittenLayer::toc means nothing. Errors: as write().
    virtual Result<WrittenLayer> finish() = 0;
};

}  // namespace lazybuild::codec
