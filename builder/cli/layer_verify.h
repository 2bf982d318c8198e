// SPDX-License-Identifier: Apache-2.0
// One pass over a layer's blob that compares every digest which its table of contents claims, and
// computes the diffID. It does not end at the first thing that is wrong: behind a member that is
// damaged it goes on with the next one that the table of contents names.
//
// Memory: that of the claims; no bytes of the layer are kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "codec/chunk_walk.h"
#include "codec/digest.h"
#include "codec/layer_format.h"
#include "codec/sha256.h"
#include "codec/toc.h"

namespace lazybuild::cli {

/// What does not hold, one line each. A layer that is all wrong does not need a million lines.
class Findings {
  public:
    static constexpr std::size_t kLinesMax = 100;

    void add(std::string line);
    std::size_t count() const { return count_; }
    bool empty() const { return count_ == 0; }
    /// The first kLinesMax, and how many more there are.
    std::vector<std::string> lines() const;

  private:
    std::vector<std::string> lines_;
    std::size_t count_ = 0;
};

class LayerVerifier final : public ByteSink, private codec::ChunkWalk::Visitor {
  public:
    /// For a blob of `format` whose table of contents is at `toc_offset_bytes`. `findings` outlives
    /// this.
    LayerVerifier(const codec::LayerFormat& format, codec::TocClaims claims,
                  std::uint64_t toc_offset_bytes, Findings& findings);
    ~LayerVerifier() override;

    /// The next bytes of the blob, from the first on. Never fails: what is wrong is a finding.
    /// Threads: one caller at a time.
    Result<void> write(ByteView bytes) override;

    /// The blob has ended. The digest of its tar; nullopt when it could not be decompressed.
    std::optional<codec::Digest> finish();

    std::size_t chunks_checked() const { return chunks_checked_; }

  private:
    class TarSink;
    struct FileDigest {
        codec::Sha256 digest;
        std::uint64_t size_bytes = 0;  // so far
    };

    Result<void> part(std::size_t chunk, std::uint64_t offset_bytes, ByteView bytes) override;
    Result<void> missing(std::size_t chunk) override;

    void check_empty_files();
    void start_reading();
    void damaged(const Error& error);
    std::uint64_t member_behind(std::uint64_t offset_bytes) const;
    void extend_file(const codec::ClaimedChunk& chunk, std::uint64_t offset_bytes, ByteView bytes);
    void finish_chunk(const codec::ClaimedChunk& chunk, const codec::Digest& found);
    std::string name_of(const codec::ClaimedChunk& chunk) const;

    const codec::LayerFormat& format_;
    const codec::TocClaims claims_;
    const std::uint64_t toc_offset_bytes_;
    Findings& findings_;
    codec::ChunkWalk walk_;
    std::unique_ptr<codec::BlobReader> reader_;  // null: to be started at resume_at_
    std::uint64_t offset_bytes_ = 0;             // in the blob, of the next byte
    std::uint64_t resume_at_ = 0;                // in the blob: bytes before are passed over
    std::uint64_t reading_from_ = 0;             // in the blob, where reader_ was started
    std::uint64_t member_ = 0;                   // in the blob, of the member that is being read
    bool whole_ = true;                          // every member could be decompressed
    codec::Sha256 diff_id_;
    std::map<std::size_t, codec::Sha256> chunks_;  // those whose bytes are coming
    std::map<std::uint32_t, FileDigest> files_;    // of several chunks, likewise
    std::set<std::uint32_t> incomplete_;           // files that cannot be hashed
    std::size_t chunks_checked_ = 0;
};

/// The same for a blob of which nothing is known but that it is a tar, compressed or not.
class TarDigester final : public ByteSink {
  public:
    explicit TarDigester(Findings& findings);
    ~TarDigester() override;
    Result<void> write(ByteView bytes) override;
    std::optional<codec::Digest> finish();

  private:
    struct State;
    Findings& findings_;
    std::unique_ptr<State> state_;
};

}  // namespace lazybuild::cli
