// SPDX-License-Identifier: Apache-2.0
// From batches of a layer to its eStargz blob. A batch is packed (deflated, and its chunks
// digested) on any worker, beside others; then it is written, in order, by the worker that finds it
// next in line. The two digests that go over all of the text, the source's and the result's, follow
// each on a strand of its own. So one layer keeps all workers busy, and what comes out does not
// depend on how many there are.
//
//   push ─► pack ║ pack ║ pack ─► write in order: blob, its digest, table of contents
//       └─► diffID of the source        └─► (file digests)
//       └─► diffID of the result
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "base/workers.h"
#include "codec/byte_budget.h"
#include "codec/digest_sink.h"
#include "codec/estargz_batch.h"
#include "codec/estargz_toc_builder.h"
#include "codec/gzip_member.h"
#include "codec/sha256.h"
#include "codec/strand.h"

namespace lazybuild::codec {

struct EstargzBlob {
    Digest blob;
    std::uint64_t blob_size_bytes = 0;
    Digest diff_id;
    std::uint64_t uncompressed_size_bytes = 0;
    Digest toc;
};

/// Threads: push() and finish() from one at a time. Memory: what `budget` allows of text, as much
/// again at most for its compressed form, and the compressed TOC.
class EstargzPipeline {
  public:
    struct Options {
        int level = 0;  ///< kMemberLevelMin to kMemberLevelMax
        std::uint64_t chunk_bytes = 0;
        bool digest_source = false;
    };

    /// All but `options` outlive it. `out` is written to on the workers' threads, one at a time.
    EstargzPipeline(Options options, Workers& workers, ByteBudget& budget, ByteSink& out);
    EstargzPipeline(const EstargzPipeline&) = delete;
    EstargzPipeline& operator=(const EstargzPipeline&) = delete;
    /// Ends what is under way, which takes as long as the members that are being packed.
    ~EstargzPipeline();

    /// Waits while too much is under way. Errors: those of `out` and EstargzTocBuilder, for this
    /// batch or an earlier one; no more calls after one.
    Result<void> push(std::unique_ptr<EstargzBatch> batch);
    /// After the last push: the TOC and the footer.
    Result<EstargzBlob> finish();
    /// After finish(), if `digest_source`: of all that was pushed but the batches' own bytes.
    Digest source_digest() { return source_digest_.finish(); }

  private:
    using Shared = std::shared_ptr<EstargzBatch>;

    bool failed();
    bool may_push_now();
    void fail_with(Error error);
    Shared account(std::unique_ptr<EstargzBatch> batch);
    void release(EstargzBatch* batch);
    void pack(EstargzBatch& batch);
    void write_what_is_next();
    Result<void> write(EstargzBatch& batch);
    std::unique_ptr<MemberCompressor> borrow_compressor();
    Result<void> wait_for_all();

    Options options_;
    Workers& workers_;
    ByteBudget& budget_;
    DigestSink blob_;  // the writer's, as is toc_
    EstargzTocBuilder toc_;
    Sha256 text_digest_;    // the strand's
    Sha256 source_digest_;  // the strand's
    std::uint64_t text_bytes_ = 0;

    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::optional<Error> error_;
    bool abandoned_ = false;
    std::size_t in_flight_ = 0;  // batches that exist
    std::size_t jobs_ = 0;       // submitted to the workers and not ended, but for strands
    std::deque<Shared> order_;   // pushed and not written
    bool writing_ = false;
    std::vector<std::unique_ptr<MemberCompressor>> compressors_;  // not in use

    Strand text_strand_;  // last: they end first
    Strand source_strand_;
};

}  // namespace lazybuild::codec
