// SPDX-License-Identifier: Apache-2.0
// Brings one layer home: first what its maker recorded as needed at the start (up to the landmark,
// in one request), then, whenever nobody waits for bytes, the rest, in one pass from the first byte
// to the last. That pass also computes the digest of the blob and the diffID: a layer that was read
// lazily is, in the end, verified as fully as one that was pulled.
//
// The pass keeps its state while it rests and while the network is away, so that no byte is
// fetched by it twice.
//
// Thread: the reactor's; decoding and SQLite run on the pool.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/layer/chunk_fetcher.h"
#include "snapshotter/layer/layer_context.h"
#include "snapshotter/layer/layer_pass.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layer {

enum class FillOutcome : std::uint8_t {
    complete,     ///< every byte is here; the diffID is what the image claims, and recorded
    unfinished,   ///< not asked for by the options, given up, or cancelled: reads still work
    quarantined,  ///< the content is not what the image claims, and the store says so
};

class LayerFill {
  public:
    /// `cancel` ends it. The context outlives this.
    LayerFill(LayerContext& context, store::LayerRecord record,
              std::shared_ptr<store::LayerFiles> files, std::shared_ptr<ChunkFetcher> fetcher,
              std::shared_ptr<LayerCounters> counters, io::CancelToken cancel);

    /// Once. Logs what happened.
    io::Task<FillOutcome> run();

  private:
    io::Task<void> prefetch();
    io::Task<Result<void>> prefetch_pieces(std::uint64_t end_bytes);
    io::Task<Result<void>> fill();
    io::Task<Result<void>> stream();
    bool yields() const;
    io::Task<Result<void>> wait_for_quiet();
    io::Task<Result<void>> push(Bytes bytes);
    io::Task<Result<FillOutcome>> conclude();
    io::Task<FillOutcome> quarantine(std::string why, std::string found);

    io::Wait as_long_as_wanted() const { return {.deadline = io::kNoDeadline, .cancel = cancel_}; }

    LayerContext& context_;
    const store::LayerRecord record_;
    const std::shared_ptr<store::LayerFiles> files_;
    const std::shared_ptr<ChunkFetcher> fetcher_;
    const std::shared_ptr<LayerCounters> counters_;
    const io::CancelToken cancel_;
    std::shared_ptr<LayerPass> pass_;
};

}  // namespace lazybuild::layer
