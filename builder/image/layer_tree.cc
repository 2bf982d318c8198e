// SPDX-License-Identifier: Apache-2.0
#include "builder/image/layer_tree.h"

#include <optional>
#include <utility>

#include "builder/image/layer_inspection.h"
#include "codec/layer_unpack.h"
#include "codec/sha256.h"
#include "codec/tar_stream.h"

namespace lazybuild::image {
namespace {

// Hashes payloads; a file of one chunk has its digest as its content.
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
        hash_.update(bytes);
        return {};
    }
    Result<void> padding(ByteView /*bytes*/) override { return {}; }
    Result<void> other(ByteView /*bytes*/) override { return {}; }

    Result<codec::FileTree> finish() {
        CHECK_OK(add_pending());
        return std::move(builder_).finish();
    }

  private:
    Result<void> add_pending() {
        if (!pending_) {
            return {};
        }
        codec::LayerEntry file = std::move(pending_->entry);
        file.chunks = {{.size_bytes = file.size_bytes,
                        .blob_offset_bytes = pending_->payload_offset_bytes,
                        .blob_size_bytes = file.size_bytes,
                        .digest = hash_.finish()}};
        pending_.reset();
        return builder_.add(std::move(file));
    }

    codec::FileTreeBuilder builder_;
    std::optional<codec::TarEntry> pending_;
    codec::Sha256 hash_;
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
