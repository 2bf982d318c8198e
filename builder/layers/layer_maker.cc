// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/layer_maker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/log.h"

namespace lazybuild::layers {
namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

}  // namespace

Result<std::unique_ptr<LayerMaker>> PlacedLayerMaker::create(std::string staged,
                                                             LayerPlaces& places,
                                                             Workers& workers) {
    CHECK_OK(make_directories(staged, 0700));
    std::unique_ptr<PlacedLayerMaker> maker{new PlacedLayerMaker(std::move(staged), places)};
    TRY(maker->writer_, store::DiskWriter::create(maker->staged_, workers));
    return maker;
}

PlacedLayerMaker::~PlacedLayerMaker() {
    writer_.reset();
    if (placed_) {
        return;
    }
    if (auto removed = remove_tree(staged_); !removed) {
        log::warning("an unfinished layer stays until the build ends",
                     {{"directory", staged_}, {"error", removed.error().message}});
    }
}

Result<void> PlacedLayerMaker::add(codec::LayerEntry entry, ByteSource* content) {
    std::uint64_t left_bytes = 0;
    if (entry.kind == codec::LayerEntry::Kind::file && entry.type == codec::FileType::regular) {
        left_bytes = entry.size_bytes;
    }
    const std::string path = left_bytes > 0 ? entry.path : "";
    ASSERT(left_bytes == 0 || content != nullptr);
    CHECK_OK(writer_->begin(std::move(entry)));
    buffer_.resize(
        std::max<std::size_t>(buffer_.size(), std::min<std::uint64_t>(left_bytes, kBufferBytes)));
    while (left_bytes > 0) {
        const std::size_t wanted = std::min<std::uint64_t>(left_bytes, buffer_.size());
        TRY(const std::size_t count, content->read(MutableByteView{buffer_}.first(wanted)));
        if (count == 0) {
            return fail(corrupt(fmt::format("{} ends {} bytes early", path, left_bytes)));
        }
        CHECK_OK(writer_->payload(ByteView{buffer_}.first(count)));
        left_bytes -= count;
    }
    return {};
}

Result<LayerPointer> PlacedLayerMaker::finish() {
    TRY(store::WrittenDisk written, writer_->finish({.durable = false}));
    // The same entries made before, by another step or another build: nothing has to be written.
    TRY(LayerPointer layer,
        places_.place(staged_, {.id = written.tree_digest, .tree = std::move(written.tree)}));
    placed_ = true;
    return layer;
}

}  // namespace lazybuild::layers
