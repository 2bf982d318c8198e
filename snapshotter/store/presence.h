// SPDX-License-Identifier: Apache-2.0
// Which chunks of a layer are on its disk, verified. A bit is set after the chunk's bytes were
// written; it reaches the file `have` only after an fdatasync of the disk, so that no crash leaves
// a bit without its bytes (design section 5).
//
// File `have`, little-endian: 64-byte header {magic "LZBHAVE1", u64 chunk count, 36-byte boot id of
// the last writer, u8 clean}, then one bit a chunk. After a boot that followed no clean close the
// bits are hints: their chunks are verified again before they count.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "snapshotter/store/chunk_table.h"

namespace lazybuild::store {

/// Threads: has(), claimed() and mark() from any; flush() and close() one caller at a time (they
/// lock).
class Presence {
  public:
    /// Opens or makes the file `path` for `chunk_count` chunks; a file that does not fit is made
    /// anew, because all that is lost are cached bytes. `disk_fd` is the layer's disk and outlives
    /// this.
    static Result<std::unique_ptr<Presence>> open(const std::string& path,
                                                  std::uint64_t chunk_count, int disk_fd);

    /// The chunk's bytes are on the disk and were verified.
    bool has(ChunkIndex chunk) const { return test(ready_, chunk); }
    /// The chunk's bytes should be on the disk but have to be verified before they are believed.
    bool claimed(ChunkIndex chunk) const { return !claimed_.empty() && test(claimed_, chunk); }
    /// Call after the chunk's bytes were written to the disk.
    void mark(ChunkIndex chunk);
    bool has_all() const { return marked_.load(std::memory_order_acquire) == chunk_count_; }
    std::uint64_t marked() const { return marked_.load(std::memory_order_acquire); }

    /// Makes everything marked so far durable: fdatasync of the disk, then the bits.
    Result<void> flush();
    /// flush, and a note that the bits may be believed at the next open.
    Result<void> close();

  private:
    using Words = std::vector<std::atomic<std::uint64_t>>;

    Presence(Fd file, std::uint64_t chunk_count, int disk_fd);
    static bool test(const Words& words, ChunkIndex chunk) {
        return ((words[chunk / 64].load(std::memory_order_acquire) >> (chunk % 64)) & 1U) != 0;
    }
    Result<void> load();
    Result<void> write(bool clean);

    Fd file_;
    std::uint64_t chunk_count_;
    int disk_fd_;
    Words ready_;
    Words claimed_;  ///< empty unless the last writer crashed with the machine
    std::atomic<std::uint64_t> marked_{0};
    std::mutex flush_mutex_;
    std::uint64_t flushed_ = 0;  ///< marked_ at the last flush
};

}  // namespace lazybuild::store
