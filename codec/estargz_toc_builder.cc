// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_toc_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "codec/estargz_toc.h"

namespace lazybuild::codec {
namespace {

constexpr int kKeepLevel = 1;
constexpr std::size_t kStoredBytes = 256 << 10;
constexpr std::size_t kCopyBytes = 64 << 10;

/// A ByteSource over the pieces of a store.
class PieceSource final : public ByteSource {
  public:
    explicit PieceSource(const std::vector<Bytes>& pieces) : pieces_(pieces) {}

    Result<std::size_t> read(MutableByteView out) override {
        while (next_ < pieces_.size() && done_ == pieces_[next_].size()) {
            ++next_;
            done_ = 0;
        }
        if (next_ == pieces_.size()) {
            return 0;
        }
        const ByteView rest = ByteView{pieces_[next_]}.subspan(done_);
        const std::size_t count = std::min(rest.size(), out.size());
        std::copy_n(rest.begin(), count, out.begin());
        done_ += count;
        return count;
    }

  private:
    const std::vector<Bytes>& pieces_;
    std::size_t next_ = 0;
    std::size_t done_ = 0;
};

}  // namespace

Result<void> PieceStore::write(ByteView bytes) {
    while (!bytes.empty()) {
        if (pieces_.empty() || pieces_.back().size() == kStoredBytes) {
            pieces_.emplace_back().reserve(kStoredBytes);
        }
        Bytes& last = pieces_.back();
        const ByteView now = bytes.first(std::min(bytes.size(), kStoredBytes - last.size()));
        last.insert(last.end(), now.begin(), now.end());
        bytes = bytes.subspan(now.size());
    }
    return {};
}

EstargzTocBuilder::EstargzTocBuilder(std::uint64_t chunk_bytes)
    : chunk_bytes_(chunk_bytes), gzip_(compressed_, kKeepLevel), json_(&gzip_), writer_(json_) {
    // It writes into memory, which does not fail.
    ASSERT(gzip_.start_member());
}

Result<void> EstargzTocBuilder::take_chunks(const EstargzBatch& batch,
                                            std::uint64_t blob_offset_bytes, std::size_t& next) {
    ASSERT(open_);
    const std::uint64_t wanted = open_->line.chunk_count;
    for (; next < batch.chunks.size() && open_->chunks.size() < wanted; ++next) {
        const EstargzChunk& chunk = batch.chunks[next];
        open_->chunks.push_back(
            {.blob_offset_bytes = blob_offset_bytes + batch.packed_begin[chunk.member],
             .inner_offset_bytes = chunk.begin_bytes - batch.members[chunk.member],
             .digest = chunk.digest});
        if (wanted > 1) {
            open_->whole.update(ByteView{batch.text}.subspan(chunk.begin_bytes, chunk.size_bytes));
        }
    }
    if (open_->chunks.size() < wanted) {
        return {};
    }
    OpenFile file = *std::move(open_);
    open_.reset();
    return write_file(std::move(file));
}

Result<void> EstargzTocBuilder::write_file(OpenFile file) {
    const std::uint64_t size_bytes = file.line.entry.size_bytes;
    TocEntry next = std::move(file.line.entry);
    const std::string name = file.chunks.size() > 1 ? next.name : std::string{};
    next.digest = (file.chunks.size() == 1 ? file.chunks[0].digest : file.whole.finish()).text();
    std::uint64_t done = 0;
    for (const PlacedChunk& chunk : file.chunks) {
        next.offset_bytes = chunk.blob_offset_bytes;
        next.inner_offset_bytes = chunk.inner_offset_bytes;
        next.chunk_offset_bytes = done;
        next.chunk_digest = chunk.digest.text();
        // A chunk without a size reaches to the end of its file.
        const bool full = size_bytes - done >= chunk_bytes_;
        next.chunk_size_bytes = full ? chunk_bytes_ : 0;
        CHECK_OK(writer_.add(next));
        done += full ? chunk_bytes_ : size_bytes - done;
        next = TocEntry{};
        next.name = name;
        next.type = "chunk";
    }
    return file.chunks.empty() ? writer_.add(next) : Result<void>{};
}

Result<void> EstargzTocBuilder::add(EstargzBatch& batch, std::uint64_t blob_offset_bytes) {
    std::size_t next_chunk = 0;
    if (open_) {
        CHECK_OK(take_chunks(batch, blob_offset_bytes, next_chunk));
    }
    for (EstargzLine& line : batch.lines) {
        ASSERT(!open_);
        if (line.entry.type != "reg") {
            CHECK_OK(writer_.add(line.entry));
            continue;
        }
        open_.emplace(OpenFile{.line = std::move(line), .chunks = {}, .whole = {}});
        CHECK_OK(take_chunks(batch, blob_offset_bytes, next_chunk));
    }
    if (json_.size_bytes() > kTocBytesMax) {
        return fail(
            over_limit(fmt::format("a table of contents of more than {} bytes", kTocBytesMax)));
    }
    return {};
}

Result<EstargzTocBuilder::Totals> EstargzTocBuilder::finish() {
    ASSERT(!open_);
    CHECK_OK(writer_.finish());
    CHECK_OK(gzip_.end_member());
    if (json_.size_bytes() > kTocBytesMax) {
        return fail(over_limit(fmt::format("a table of contents of {} bytes; the limit is {}",
                                           json_.size_bytes(), kTocBytesMax)));
    }
    return Totals{.size_bytes = json_.size_bytes(), .digest = json_.finish()};
}

Result<void> EstargzTocBuilder::copy_to(ByteSink& out) const {
    PieceSource pieces(compressed_.pieces());
    GzipSource json(pieces);
    Bytes buffer(kCopyBytes);
    while (true) {
        TRY(const std::size_t count, json.read(buffer));
        if (count == 0) {
            return {};
        }
        CHECK_OK(out.write(ByteView{buffer}.first(count)));
    }
}

}  // namespace lazybuild::codec
