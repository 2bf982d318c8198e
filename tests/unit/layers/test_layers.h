// SPDX-License-Identifier: Apache-2.0
// Layers made by hand for the tests of this room: entries as a tar has them, and bytes in memory.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "builder/layers/layer.h"
#include "codec/file_tree.h"
#include "codec/sha256.h"
#include "codec/tree_digest.h"

namespace lazybuild::layers::test {

using codec::FileType;
using codec::LayerEntry;

/// A layer whose disk is in memory.
class FakeLayer final : public Layer {
  public:
    FakeLayer(std::string_view name, std::shared_ptr<const codec::FileTree> tree, Bytes disk)
        : FakeLayer(codec::sha256(as_bytes(name)), std::move(tree), std::move(disk)) {}
    FakeLayer(const codec::Digest& id, std::shared_ptr<const codec::FileTree> tree, Bytes disk)
        : id_(id), tree_(std::move(tree)), disk_(std::move(disk)) {}

    const codec::Digest& id() const override { return id_; }
    Result<std::shared_ptr<const codec::FileTree>> tree() override { return tree_; }
    Result<void> read_disk(std::uint64_t offset_bytes, MutableByteView out) override {
        ++reads;
        return MemoryAccess{disk_}.read_at(offset_bytes, out);
    }
    bool contents_are_claims() const override { return claims; }
    Result<void> mount(const std::string& /*image*/, const std::string& /*target*/) override {
        return fail(errno_error("a layer in memory", ENOTSUP));
    }
    std::uint64_t failed_reads() const override { return 0; }
    std::uint64_t fetched_bytes() const override { return 0; }
    std::uint64_t blob_bytes() const override { return 0; }

    const Bytes& disk() const { return disk_; }

    std::atomic<int> reads = 0;
    bool claims = false;

  private:
    const codec::Digest id_;
    const std::shared_ptr<const codec::FileTree> tree_;
    const Bytes disk_;
};

/// Takes entries one by one, as a tar has them.
class LayerBuilder {
  public:
    LayerBuilder& add(LayerEntry entry, std::string_view content = "") {
        entry.size_bytes = content.size();
        if (!content.empty()) {
            entry.chunks = {{.size_bytes = content.size(),
                             .blob_offset_bytes = contents_.size() * kBlobStepBytes,
                             .blob_size_bytes = kBlobStepBytes,
                             .digest = codec::sha256(as_bytes(content))}};
            contents_.emplace_back(content);
        }
        const auto added = builder_.add(std::move(entry));
        EXPECT_TRUE(added) << added.error().message;
        return *this;
    }
    LayerBuilder& directory(std::string path, std::uint32_t mode = 0755, std::uint32_t uid = 0) {
        return add({.type = FileType::directory,
                    .path = std::move(path),
                    .mode = mode,
                    .uid = uid,
                    .mtime_s = 1'600'000'000});
    }
    LayerBuilder& file(std::string path, std::string_view content, std::uint32_t mode = 0644) {
        return add({.path = std::move(path), .mode = mode, .mtime_s = 1'500'000'000}, content);
    }
    LayerBuilder& symlink(std::string path, std::string target) {
        return add({.type = FileType::symlink,
                    .path = std::move(path),
                    .mode = 0777,
                    .link_target = std::move(target)});
    }
    LayerBuilder& hardlink(std::string path, std::string target) {
        return add({.kind = LayerEntry::Kind::hardlink,
                    .path = std::move(path),
                    .link_target = std::move(target)});
    }

    std::shared_ptr<FakeLayer> finish(std::string_view name) {
        return finish_as(codec::sha256(as_bytes(name)));
    }
    /// Named by its tree, as what steps make is.
    std::shared_ptr<FakeLayer> finish() { return finish_as(std::nullopt); }

  private:
    std::shared_ptr<FakeLayer> finish_as(const std::optional<codec::Digest>& id) {
        auto tree = std::move(builder_).finish();
        EXPECT_TRUE(tree) << tree.error().message;
        Bytes disk(tree->disk_size_bytes);
        for (const codec::Node& node : tree->nodes) {
            for (std::uint32_t i = 0; i < node.chunk_count; ++i) {
                const codec::Chunk& chunk = tree->chunks[node.first_chunk + i];
                const std::string& content = contents_[chunk.blob_offset_bytes / kBlobStepBytes];
                std::ranges::copy(as_bytes(content), disk.begin() + static_cast<std::ptrdiff_t>(
                                                                        node.disk_offset_bytes));
            }
        }
        const codec::Digest own = id ? *id : codec::tree_digest(*tree).value();
        return std::make_shared<FakeLayer>(
            own, std::make_shared<const codec::FileTree>(*std::move(tree)), std::move(disk));
    }

    static constexpr std::uint64_t kBlobStepBytes = 1'000'000;
    codec::FileTreeBuilder builder_;
    std::vector<std::string> contents_;
};

inline std::string read_all(ByteSource& source, std::size_t step_bytes = 1000) {
    std::string text;
    Bytes buffer(step_bytes);
    for (;;) {
        const auto size_bytes = source.read(buffer);
        EXPECT_TRUE(size_bytes) << size_bytes.error().message;
        if (!size_bytes || *size_bytes == 0) {
            return text;
        }
        text += as_text(ByteView{buffer}.first(*size_bytes));
    }
}

}  // namespace lazybuild::layers::test
