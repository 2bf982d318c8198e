// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/layer_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "snapshotter/layer/chunk_decoder.h"

namespace lazybuild::layer {

using store::ChunkIndex;
using store::ChunkRecord;

// Takes what one push inflates, and knows which member it is of.
class LayerPass::Sink final : public ByteSink {
  public:
    explicit Sink(LayerPass& pass) : pass_(pass) {}
    Result<void> write(ByteView bytes) override { return pass_.take(bytes); }

  private:
    LayerPass& pass_;
};

LayerPass::LayerPass(std::shared_ptr<store::LayerFiles> files)
    : files_(std::move(files)), gzip_({.on_member = [this](std::uint64_t compressed_offset_bytes) {
          member_start_ = compressed_offset_bytes;
          member_offset_ = 0;
          return Result<void>{};
      }}) {}

Result<void> LayerPass::push(ByteView compressed) {
    blob_digest_.update(compressed);
    offset_bytes_ += compressed.size();
    Sink sink{*this};
    Result<void> pushed = gzip_.push(compressed, sink);
    CHECK_OK(keep_whole());
    return pushed;
}

Result<void> LayerPass::take(ByteView bytes) {
    diff_id_.update(bytes);
    const std::uint64_t begin = member_offset_;
    const std::uint64_t end = begin + bytes.size();
    member_offset_ = end;

    // Chunks that start in this piece. The table is in the order of the blob; what it says of a
    // member that has gone by, or of no member at all, is not there to be found.
    const auto records = files_->chunks().records();
    while (next_ < records.size() && records[next_].blob_offset_bytes <= member_start_ &&
           (records[next_].blob_offset_bytes < member_start_ ||
            records[next_].member_offset_bytes < end)) {
        const ChunkRecord& record = records[next_];
        if (record.blob_offset_bytes < member_start_ || record.member_offset_bytes < begin) {
            return fail(
                corrupt(fmt::format("the table of contents names a chunk at {}+{}, where the "
                                    "blob has none",
                                    record.blob_offset_bytes, record.member_offset_bytes)));
        }
        if (!files_->presence().has(next_)) {
            if (open_.size() == kOpenChunksMax) {
                return fail(over_limit("too many chunks share the same bytes of the blob"));
            }
            open_.push_back({.chunk = next_, .bytes = {}});
        }
        ++next_;
    }
    for (Open& open : open_) {
        const ChunkRecord& record = records[open.chunk];
        if (record.blob_offset_bytes != member_start_) {
            return fail(corrupt(fmt::format("the chunk at {}+{} of the blob ends early",
                                            record.blob_offset_bytes, record.member_offset_bytes)));
        }
        const std::uint64_t from = record.member_offset_bytes + open.bytes.size() - begin;
        const std::uint64_t to = std::min<std::uint64_t>(
            bytes.size(), record.member_offset_bytes + record.size_bytes - begin);
        const ByteView part = bytes.subspan(from, to - from);
        open.bytes.insert(open.bytes.end(), part.begin(), part.end());
    }
    const auto whole = std::ranges::partition(open_, [records](const Open& open) {
        return open.bytes.size() != records[open.chunk].size_bytes;
    });
    for (Open& open : whole) {
        whole_bytes_ += open.bytes.size();
        whole_.push_back(std::move(open));
    }
    open_.erase(whole.begin(), whole.end());
    return whole_bytes_ < kVerifiedTogetherBytes ? Result<void>{} : keep_whole();
}

Result<void> LayerPass::keep_whole() {
    std::vector<DecodedChunk> decoded;
    decoded.reserve(whole_.size());
    for (const Open& whole : whole_) {
        decoded.push_back({.chunk = whole.chunk, .bytes = whole.bytes});
    }
    Result<void> kept = keep_verified(*files_, decoded);
    whole_.clear();
    whole_bytes_ = 0;
    return kept;
}

Result<LayerPass::Digests> LayerPass::finish() {
    CHECK_OK(gzip_.finish());
    if (next_ != files_->chunks().records().size() || !open_.empty()) {
        return fail(corrupt("the table of contents names chunks that are nowhere in the blob"));
    }
    return Digests{.blob = blob_digest_.finish(), .diff_id = diff_id_.finish()};
}

}  // namespace lazybuild::layer
