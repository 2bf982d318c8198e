// SPDX-License-Identifier: Apache-2.0
// The chunk table of a layer: where each chunk lies on the layer's disk and in its blob, and what
// its bytes must hash to. Mapped from a file, so that a hundred layers of a hundred thousand files
// cost page cache and not memory.
//
// File `chunks`, little-endian: 64-byte header {magic "LZBCHUNK", u32 version 1, u32 record size
// 64, u64 record count, u64 disk size, u64 end of data in the blob, u16 number of the layer's
// format (65535: none), zeros}, then the records, sorted by disk offset. Disk order is blob order
// (codec/file_tree.h), so both are ascending.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/assert.h"
#include "base/result.h"
#include "codec/file_tree.h"
#include "codec/layer_format.h"

namespace lazybuild::store {

/// Position of a chunk in the table.
using ChunkIndex = std::uint32_t;

struct ChunkRecord {
    std::uint64_t disk_offset_bytes;
    std::uint64_t blob_offset_bytes;    ///< start of the compressed member
    std::uint64_t member_offset_bytes;  ///< of the chunk inside the uncompressed member
    std::uint32_t size_bytes;
    std::uint32_t blob_size_bytes;  ///< from the member's start to the next member
    codec::Digest::Raw digest;
};
static_assert(sizeof(ChunkRecord) == 64);

/// Chunks are decoded in memory, one piece each: larger ones are refused when the table is made.
inline constexpr std::uint64_t kChunkBytesMax = 64ULL << 20;
inline constexpr std::uint64_t kMemberBytesMax = 128ULL << 20;

/// Read-only view of a mapped table. Movable. Any thread.
class ChunkTable {
  public:
    /// Writes the table of `tree` to `path` (replaced atomically). `data_end_bytes` is where the
    /// last member that holds data ends. Errors: over_limit for chunks past the limits above.
    static Result<void> write(const codec::FileTree& tree, const codec::LayerFormat& format,
                              std::uint64_t data_end_bytes, const std::string& path);

    /// Of a layer whose disk is all here and has no blob that a chunk could be read from: no
    /// chunks.
    static Result<void> write_whole(std::uint64_t disk_size_bytes, const std::string& path);

    /// Errors: bad_message when the file is not a whole table of this version.
    static Result<ChunkTable> open(const std::string& path);

    ChunkTable(ChunkTable&& other) noexcept;
    ChunkTable& operator=(ChunkTable&& other) noexcept;
    ~ChunkTable();

    std::span<const ChunkRecord> records() const { return records_; }
    std::uint64_t disk_size_bytes() const { return disk_size_bytes_; }
    std::uint64_t data_end_bytes() const { return data_end_bytes_; }
    /// What the chunks in the blob are read with. Not of a table that write_whole() wrote.
    const codec::LayerFormat& format() const {
        ASSERT(format_ != nullptr);
        return *format_;
    }

    /// The chunks that hold any byte of disk [offset, offset + size): [first, second).
    struct Run {
        ChunkIndex begin = 0;
        ChunkIndex end = 0;
    };
    Run overlapping(std::uint64_t offset_bytes, std::uint64_t size_bytes) const;

  private:
    ChunkTable() = default;
    void unmap();

    std::span<const std::byte> mapping_;
    std::span<const ChunkRecord> records_;
    std::uint64_t disk_size_bytes_ = 0;
    std::uint64_t data_end_bytes_ = 0;
    const codec::LayerFormat* format_ = nullptr;  // once open: null only without chunks
};

}  // namespace lazybuild::store
