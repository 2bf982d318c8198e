// SPDX-License-Identifier: Apache-2.0
#include "builder/image/layer_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "builder/image/layer_inspection.h"
#include "codec/layer_unpack.h"
#include "codec/sha256.h"
#include "codec/tar_stream.h"

namespace lazybuild::image {
namespace {

// Hashes payloads, cut into pieces as codec::tree_digest wants them. A file of one piece has its
// digest as its content.
class TreeReader final : public codec::TarVisitor {
  public:
    Result<void> entry(codec::TarEntry entry, ByteView /*header*/) override {
        CHECK_OK(add_pending());
        const bool has_payload = entry.entry.kind == codec::LayerEntry::Kind::file &&
                                 entry.entry.type == codec::FileType::regular &&
                                 entry.entry.size_bytes > 0;
        if (!has_payload) {
            return builder_.add(std::move(entry.entry));
        }
        pending_ = std::move(entry);
        return {};
    }
    Result<void> payload(ByteView bytes) override {
        if (is_large()) {
            whole_.update(bytes);
        }
        while (!bytes.empty()) {
            const auto count =
                std::min<std::uint64_t>(bytes.size(), codec::kPieceBytes - piece_bytes_);
            piece_.update(bytes.first(count));
            piece_bytes_ += count;
            bytes = bytes.subspan(count);
            if (piece_bytes_ == codec::kPieceBytes) {
                CHECK_OK(end_piece());
            }
        }
        return {};
    }
    Result<void> padding(ByteView /*bytes*/) override { return {}; }
    Result<void> other(ByteView /*bytes*/) override { return {}; }

    Result<codec::FileTree> finish() {
        CHECK_OK(add_pending());
        return std::move(builder_).finish();
    }

  private:
    bool is_large() const { return pending_->entry.size_bytes > codec::kPieceBytes; }

    Result<void> end_piece() {
        std::vector<codec::Chunk>& chunks = pending_->entry.chunks;
        if (chunks.size() == codec::kLayerChunksMax) {
            return fail(over_limit(fmt::format("\"{}\" of {} bytes", pending_->entry.path,
                                               pending_->entry.size_bytes)));
        }
        const std::uint64_t at = chunks.size() * codec::kPieceBytes;
        chunks.push_back({.file_offset_bytes = at,
                          .size_bytes = piece_bytes_,
                          .blob_offset_bytes = pending_->payload_offset_bytes + at,
                          .blob_size_bytes = piece_bytes_,
                          .digest = piece_.finish()});
        piece_bytes_ = 0;
        return {};
    }

    Result<void> add_pending() {
        if (!pending_) {
            return {};
        }
        if (piece_bytes_ > 0) {
            CHECK_OK(end_piece());
        }
        if (is_large()) {
            pending_->entry.content = whole_.finish();
        }
        codec::LayerEntry file = std::move(pending_->entry);
        pending_.reset();
        return builder_.add(std::move(file));
    }

    codec::FileTreeBuilder builder_;
    std::optional<codec::TarEntry> pending_;  // a file whose bytes come
    codec::Sha256 whole_;                     // of it, if it has several pieces
    codec::Sha256 piece_;
    std::uint64_t piece_bytes_ = 0;  // so far
};

class TarSink final : public ByteSink {
  public:
    explicit TarSink(codec::TarStream& stream) : stream_(stream) {}
    Result<void> write(ByteView bytes) override { return stream_.push(bytes); }

  private:
    codec::TarStream& stream_;
};

io::Task<Result<codec::FileTree>> read_all(Session& session, ImageSource& source,
                                           codec::Descriptor layer, io::Wait wait) {
    TreeReader reader;
    codec::TarStream stream{reader};
    TarSink tar{stream};
    codec::LayerUnpacker unpacker{tar};
    co_await io::or_return(co_await stream_blob(session, source, layer, unpacker, wait));
    co_await io::or_return(unpacker.finish());
    co_await io::or_return(stream.finish());
    co_return reader.finish();
}

io::Task<Result<codec::FileTree>> read_tree(Session& session, ImageSource& source,
                                            codec::Descriptor layer, io::Wait wait) {
    LayerInspection inspection =
        co_await io::or_return(co_await inspect_layer(source, layer, wait));
    if (inspection.indexed == nullptr) {
        co_return co_await read_all(session, source, std::move(layer), wait);
    }
    codec::Toc toc =
        co_await io::or_return(co_await read_toc(session, source, layer, inspection, wait));
    co_return std::move(toc.tree);
}

}  // namespace

io::Task<Result<codec::FileTree>> read_whole_layer(Session& session, ImageSource& source,
                                                   codec::Descriptor layer, io::Wait wait) {
    return read_all(session, source, std::move(layer), std::move(wait));
}

io::Task<Result<codec::FileTree>> read_layer_tree(Session& session, ImageSource& source,
                                                  codec::Descriptor layer, io::Wait wait) {
    const std::string what = "layer " + layer.digest.text();
    Result<codec::FileTree> tree = co_await read_tree(session, source, std::move(layer), wait);
    if (!tree) {
        co_return fail(std::move(tree).error().context(what));
    }
    co_return tree;
}

}  // namespace lazybuild::image
