// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/layer_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "snapshotter/layer/chunk_decoder.h"

namespace lazybuild::layer {

using store::ChunkIndex;
using store::ChunkRecord;

// Takes what one push inflates.
class LayerPass::Sink final : public ByteSink {
  public:
    explicit Sink(LayerPass& pass) : pass_(pass) {}
    Result<void> write(ByteView bytes) override {
        pass_.diff_id_.update(bytes);
        return pass_.walk_.take(bytes);
    }

  private:
    LayerPass& pass_;
};

// Keeps the chunks that are not here yet; the table must be right about the others too.
class LayerPass::Keeper final : public codec::ChunkWalk::Visitor {
  public:
    explicit Keeper(LayerPass& pass) : pass_(pass) {}
    Result<void> part(std::size_t chunk, std::uint64_t offset_bytes, ByteView bytes) override {
        return pass_.keep_part(static_cast<ChunkIndex>(chunk), offset_bytes, bytes);
    }
    Result<void> missing(std::size_t chunk) override {
        const ChunkRecord& record = pass_.files_->chunks().records()[chunk];
        return fail(
            corrupt(fmt::format("the table of contents names a chunk at {}+{}, where the "
                                "blob has none",
                                record.blob_offset_bytes, record.member_offset_bytes)));
    }

  private:
    LayerPass& pass_;
};

LayerPass::LayerPass(std::shared_ptr<store::LayerFiles> files)
    : files_(std::move(files)),
      keeper_(std::make_unique<Keeper>(*this)),
      walk_(
          files_->chunks().records().size(),
          [records = files_->chunks().records()](std::size_t chunk) {
              return codec::ChunkPlace{.blob_offset_bytes = records[chunk].blob_offset_bytes,
                                       .member_offset_bytes = records[chunk].member_offset_bytes,
                                       .size_bytes = records[chunk].size_bytes};
          },
          *keeper_),
      reader_(files_->chunks().format().open_blob(
          [this](std::uint64_t compressed_offset_bytes) {
              walk_.begin_member(compressed_offset_bytes);
              return Result<void>{};
          },
          std::numeric_limits<std::uint64_t>::max())) {}

LayerPass::~LayerPass() = default;

Result<void> LayerPass::push(ByteView compressed) {
    blob_digest_.update(compressed);
    offset_bytes_ += compressed.size();
    Sink sink{*this};
    Result<void> pushed = reader_->push(compressed, sink);
    CHECK_OK(keep_whole());
    return pushed;
}

Result<void> LayerPass::keep_part(ChunkIndex chunk, std::uint64_t offset_bytes, ByteView bytes) {
    auto open = std::ranges::find(open_, chunk, &Open::chunk);
    if (open == open_.end()) {
        if (offset_bytes != 0 || files_->presence().has(chunk)) {
            return {};
        }
        open = open_.insert(open, Open{.chunk = chunk, .bytes = {}});
    }
    open->bytes.insert(open->bytes.end(), bytes.begin(), bytes.end());
    if (open->bytes.size() != files_->chunks().records()[chunk].size_bytes) {
        return {};
    }
    whole_bytes_ += open->bytes.size();
    whole_.push_back(std::move(*open));
    open_.erase(open);
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
    CHECK_OK(reader_->finish());
    CHECK_OK(walk_.finish());
    return Digests{.blob = blob_digest_.finish(), .diff_id = diff_id_.finish()};
}

}  // namespace lazybuild::layer
