// SPDX-License-Identifier: Apache-2.0
// Makes ranges of one layer's disk present, on demand: finds the missing chunks, joins them with
// their neighbours and with requests already under way, and has each request fetched, verified and
// kept once, however many readers wait for it.
//
// A request is its own task: a reader that gives up does not take it from the others. One that
// fails is tried again, with back-off, for as long as a reader still waits; except for wrong bytes,
// which are asked for once more from the next origin and then are an Error at once.
//
// Thread: the reactor's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/result.h"
#include "snapshotter/io/event.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/layer/layer_context.h"
#include "snapshotter/layer/layer_counters.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layer {

class ChunkFetcher : public std::enable_shared_from_this<ChunkFetcher> {
  public:
    /// `cancel` ends the requests. The context outlives this.
    ChunkFetcher(LayerContext& context, codec::Digest blob,
                 std::shared_ptr<store::LayerFiles> files, std::shared_ptr<LayerCounters> counters,
                 io::CancelToken cancel);

    /// Returns when every byte of disk [offset, offset + size) is present.
    /// Errors: timed_out, operation_canceled; bad_message for wrong bytes; else the origins' last.
    io::Task<Result<void>> make_present(std::uint64_t offset_bytes, std::uint64_t size_bytes,
                                        io::Wait wait);

    /// Somebody else is about to keep the chunks of blob [0, blob_end) in order: readers of those
    /// wait for it instead of asking again, and look again at each step.
    void stream_begins(std::uint64_t blob_end_bytes);
    void stream_step();
    void stream_ends();

  private:
    using Run = store::ChunkTable::Run;
    struct Request {
        Request(Run of, io::Reactor& reactor) : run(of), done(reactor) {}
        const Run run;
        io::Event done;
        Result<void> result;
    };

    io::Task<Result<void>> one_round(Run run, io::Wait wait);
    io::Task<Result<void>> await_stream(Run run, io::Wait wait);
    std::vector<std::shared_ptr<Request>> requests_for(Run run);
    std::shared_ptr<Request> start(Run missing);
    std::shared_ptr<Request> request_of(store::ChunkIndex chunk) const;
    store::ChunkIndex grown_end(Run missing);
    static io::Task<void> carry_out(std::shared_ptr<ChunkFetcher> self,
                                    std::shared_ptr<Request> request);
    io::Task<Result<void>> fetch(Run run);
    io::Task<Result<void>> take_claimed(Run run);

    LayerContext& context_;
    const codec::Digest blob_;
    const std::shared_ptr<store::LayerFiles> files_;
    const std::shared_ptr<LayerCounters> counters_;
    const io::CancelToken cancel_;
    std::map<store::ChunkIndex, std::shared_ptr<Request>> requests_;  // by their runs' first chunk
    std::uint64_t last_end_bytes_ = 0;       // in the blob, of the latest request
    std::uint64_t streak_window_bytes_ = 0;  // of a reader that goes on where the last one ended
    std::uint64_t stream_end_bytes_ = 0;     // 0: nobody streams
    std::shared_ptr<io::Event> stream_step_;
};

}  // namespace lazybuild::layer
