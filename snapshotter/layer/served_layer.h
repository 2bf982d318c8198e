// SPDX-License-Identifier: Apache-2.0
// One layer, being served: answers reads of its disk, from the file where the bytes are here, and
// through the fetcher where they are not; and fills itself.
//
// Threads: any, unless a function says otherwise. Its tasks keep it alive; retire() ends them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "fuse/disk_server.h"
#include "snapshotter/io/event.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/layer/chunk_fetcher.h"
#include "snapshotter/layer/layer_context.h"
#include "snapshotter/layer/layer_counters.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layer {

class ServedLayer {
  public:
    /// Opens the files of `record`. The context outlives the layer.
    static Result<std::shared_ptr<ServedLayer>> open(LayerContext& context,
                                                     const store::LayerRecord& record);

    store::LayerId id() const { return record_.id; }
    std::uint64_t disk_size_bytes() const { return files_->disk_size_bytes(); }
    /// Every byte is here and verified: it can be mounted on its disk file.
    bool complete() const { return complete_.load(std::memory_order_acquire); }

    /// Answers now, or when the bytes have come; EIO when they cannot be had within read_timeout,
    /// are not what the image says, or the layer is retired or quarantined.
    static void read(const std::shared_ptr<ServedLayer>& self, std::uint64_t offset_bytes,
                     fuse::ReadReply reply);

    /// The same for a caller in this process: fills `out` with disk [offset, offset + size).
    /// Thread: the reactor's. Errors: invalid_argument past the disk's end; permission_denied when
    /// the layer is retired or quarantined; those of ChunkFetcher::make_present. They are counted.
    static io::Task<Result<void>> read_into(std::shared_ptr<ServedLayer> self,
                                            std::uint64_t offset_bytes, MutableByteView out,
                                            io::Wait wait);

    const LayerCounters& counters() const { return *counters_; }

    /// Begins to prefetch and fill, unless it is complete.
    static void begin_fill(const std::shared_ptr<ServedLayer>& self);

    /// Returns when the layer is complete. Thread: the reactor's.
    /// Errors: bad_message when the fill ended without that; those of `wait`.
    static io::Task<Result<void>> await_complete(std::shared_ptr<ServedLayer> self, io::Wait wait);

    /// Makes durable what has come. Blocks on the disk.
    Result<void> flush() { return files_->presence().flush(); }
    /// The same, for a clean stop.
    Result<void> close() { return files_->presence().close(); }

    /// Ends its tasks; reads fail from now on.
    static void retire(const std::shared_ptr<ServedLayer>& self);

  private:
    ServedLayer(LayerContext& context, store::LayerRecord record,
                std::shared_ptr<store::LayerFiles> files);

    void refuse(fuse::ReadReply& reply) const;
    void answer(std::uint64_t offset_bytes, fuse::ReadReply& reply) const;
    static io::Task<Result<void>> fetch_into(std::shared_ptr<ServedLayer> self,
                                             std::uint64_t offset_bytes, MutableByteView out,
                                             io::Wait wait);
    static io::Task<void> serve(std::shared_ptr<ServedLayer> self, std::uint64_t offset_bytes,
                                fuse::ReadReply reply);
    static io::Task<void> fill(std::shared_ptr<ServedLayer> self);

    LayerContext& context_;
    const store::LayerRecord record_;
    const std::shared_ptr<store::LayerFiles> files_;
    const std::shared_ptr<LayerCounters> counters_;
    std::atomic<bool> refused_;
    std::atomic<bool> complete_;
    io::Event fill_ended_;     // reactor's thread
    io::CancelSource cancel_;  // cancelled on the reactor's thread
    const std::shared_ptr<ChunkFetcher> fetcher_;
};

}  // namespace lazybuild::layer
