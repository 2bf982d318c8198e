// SPDX-License-Identifier: Apache-2.0
// Makes an eStargz blob from a plain tar: the same headers and payloads, byte for byte, but each
// file (and each chunk of a large one) can be fetched alone, because it lies in a gzip member of
// its own, or of a few; files that a container needs to start come first; and a table of contents
// (TOC) comes last.
//
// Any gunzip and tar read the result. Entries may change places, and an earlier entry of a path
// that comes again is dropped, so the diffID is a new one.
//
// Two ways to the same bytes: EstargzStream converts a tar while it arrives, when nothing in it has
// to change places; write_estargz() takes any tar, when all of it is there.
//
// Source: eStargz v0.4, and the writer rules of stargz-snapshotter's estargz library.
#pragma once

#include <memory>
#include <system_error>

#include "base/result.h"
#include "base/stream.h"
#include "base/workers.h"
#include "codec/byte_budget.h"
#include "codec/digest.h"
#include "codec/layer_writer.h"

namespace lazybuild::codec {

/// Of the options: level is kMemberLevelMin to kMemberLevelMax, chunk_size_bytes 4 KiB to
/// kChunkBytesMax, and min_chunk_size_bytes at most that. Sharing members makes a blob smaller, but
/// not one for all readers: at 0, where none share, it is what skopeo's partial pull, the verifier
/// of stargz-snapshotter's library and snapshotters before 0.13 need.
using EstargzOptions = LayerOptions;
using EstargzResult = WrittenLayer;  ///< toc: of the TOC's JSON

/// Errors: invalid_argument, naming the option that is out of range.
Result<void> check_options(const EstargzOptions& options);

/// Reads `tar` twice. Memory: bounded by the number of entries, beside EstargzPipeline's.
/// Equal input gives equal output, whatever the workers (see MemberCompressor for its limits).
/// Errors: those of check_options() and of TarReader for `tar`; bad_message for a hard link whose
/// target is not a file of the layer; over_limit past kLayerEntriesMax or kTocBytesMax; those of
/// `tar` and `out`. After an Error `out` holds part of a blob.
Result<EstargzResult> write_estargz(const RandomAccess& tar, const EstargzOptions& options,
                                    Workers& workers, ByteBudget& budget, ByteSink& out);
/// With no other threads than the caller's.
Result<EstargzResult> write_estargz(const RandomAccess& tar, const EstargzOptions& options,
                                    ByteSink& out);

/// Takes a tar in pieces. Memory: some ten bytes an entry, beside EstargzPipeline's.
/// Threads: one caller at a time; `out` is written to on the workers' threads.
class EstargzStream final : public LayerStream {
  public:
    /// `options` pass check_options(), and nothing is prioritised. The others outlive it.
    EstargzStream(const EstargzOptions& options, Workers& workers, ByteBudget& budget,
                  ByteSink& out);
    /// Ends what is under way.
    ~EstargzStream() override;

    /// May wait for workers and for `out`. Errors: as write_estargz().
    Result<void> write(ByteView bytes) override;
    /// The tar has ended. Errors: as write_estargz().
    Result<EstargzResult> finish() override;

    /// After an Error: the tar is one for write_estargz(), because a path comes twice, a hard link
    /// stands before its target, or there is something in it that is not to stay.
    bool out_of_order() const override;
    std::errc failure() const override { return failure_; }
    Digest source_digest() override;

  private:
    class Visitor;
    std::unique_ptr<Visitor> visitor_;
    std::errc failure_{};
};

}  // namespace lazybuild::codec
