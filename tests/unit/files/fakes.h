// SPDX-License-Identifier: Apache-2.0
// A layer under construction that keeps what it is told, and files in memory to copy from and onto.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/files/copy.h"
#include "builder/files/planned_tree.h"
#include "builder/layers/layer_store.h"
#include "codec/file_tree.h"

namespace lazybuild::test {

/// What came out: by path, one line about each file.
using Lines = std::map<std::string, std::string>;

class FakeLayer final : public layers::Layer {
  public:
    FakeLayer(Lines lines, codec::FileTree tree)
        : lines_(std::move(lines)),
          tree_(std::make_shared<const codec::FileTree>(std::move(tree))) {}
    const Lines& lines() const { return lines_; }

    const codec::Digest& id() const override { return id_; }
    Result<std::shared_ptr<const codec::FileTree>> tree() override { return tree_; }
    Result<void> read_disk(std::uint64_t /*offset*/, MutableByteView /*out*/) override {
        return {};
    }
    bool contents_are_claims() const override { return false; }
    Result<void> mount(const std::string& /*image*/, const std::string& /*target*/) override {
        return {};
    }
    std::uint64_t failed_reads() const override { return 0; }
    std::uint64_t fetched_bytes() const override { return 0; }
    std::uint64_t blob_bytes() const override { return 0; }

  private:
    codec::Digest id_;
    Lines lines_;
    std::shared_ptr<const codec::FileTree> tree_;
};

/// "f 644 0:0 hello", "d 755 0:0", "l -> target", "link to path", "opaque", "c 1:3".
class FakeMaker final : public layers::LayerMaker {
  public:
    Result<void> add(codec::LayerEntry entry, ByteSource* content) override {
        std::string text;
        if (content != nullptr) {
            Bytes bytes(entry.size_bytes);
            TRY(const std::size_t count, read_full(*content, bytes));
            if (count < bytes.size()) {
                return fail(corrupt(entry.path + " ends early"));
            }
            text = as_text(bytes);
        }
        times_[entry.path] = entry.mtime_s;
        lines_[entry.path] = describe(entry, text);
        if (entry.kind == codec::LayerEntry::Kind::file && entry.type == codec::FileType::regular &&
            entry.size_bytes > 0) {
            entry.chunks.push_back(codec::Chunk{.size_bytes = entry.size_bytes});
        }
        return builder_.add(std::move(entry));
    }
    Result<layers::LayerPointer> finish() override {
        TRY(codec::FileTree tree, std::move(builder_).finish());
        return std::make_shared<FakeLayer>(lines_, std::move(tree));
    }
    const Lines& lines() const { return lines_; }
    std::int64_t mtime_s(const std::string& path) const { return times_.at(path); }

  private:
    static std::string describe(const codec::LayerEntry& entry, const std::string& text) {
        if (entry.path.ends_with(".wh..wh..opq")) {
            return "opaque";
        }
        if (entry.kind == codec::LayerEntry::Kind::hardlink) {
            return "link to " + entry.link_target;
        }
        if (entry.type == codec::FileType::symlink) {
            return "l -> " + entry.link_target;
        }
        std::string line = entry.type == codec::FileType::directory   ? "d"
                           : entry.type == codec::FileType::regular   ? "f"
                           : entry.type == codec::FileType::character ? "c"
                           : entry.type == codec::FileType::fifo      ? "p"
                                                                      : "b";
        line += fmt::format(" {:o} {}:{}", entry.mode, entry.uid, entry.gid);
        if (entry.type == codec::FileType::character || entry.type == codec::FileType::block) {
            line += fmt::format(" {}:{}", entry.device_major, entry.device_minor);
        }
        for (const codec::Xattr& xattr : entry.xattrs) {
            line += " " + xattr.name + "=" + xattr.value;
        }
        return text.empty() ? line : line + " " + text;
    }

    Lines lines_;
    std::map<std::string, std::int64_t> times_;
    codec::FileTreeBuilder builder_;
};

/// Files in memory. Directories that lead to them are there.
class MemoryFiles {
  public:
    MemoryFiles& file(const std::string& path, std::string text, std::uint32_t mode = 0644,
                      std::uint32_t uid = 0, std::uint32_t gid = 0, std::uint64_t inode = 0) {
        layers::FileInfo info{.mode = mode,
                              .uid = uid,
                              .gid = gid,
                              .mtime_s = 1'000'000'000,
                              .size_bytes = text.size(),
                              .inode = inode};
        make_parents(path);
        files::Payload payload;
        payload.text = std::move(text);
        EXPECT_TRUE(tree_->put(path, std::move(info), std::move(payload)));
        return *this;
    }
    MemoryFiles& directory(const std::string& path, std::uint32_t mode = 0755,
                           std::uint32_t uid = 0, std::uint32_t gid = 0) {
        layers::FileInfo info{.type = codec::FileType::directory,
                              .mode = mode,
                              .uid = uid,
                              .gid = gid,
                              .mtime_s = 1'000'000'000};
        make_parents(path);
        EXPECT_TRUE(tree_->put_directory(path, std::move(info)));
        return *this;
    }
    MemoryFiles& link(const std::string& path, std::string target) {
        layers::FileInfo info{.type = codec::FileType::symlink,
                              .mode = 0777,
                              .mtime_s = 1'000'000'000,
                              .link_target = std::move(target)};
        make_parents(path);
        EXPECT_TRUE(tree_->put(path, std::move(info), {}));
        return *this;
    }
    files::PlannedTree& source() { return *tree_; }

  private:
    void make_parents(const std::string& path) {
        const std::size_t slash = path.rfind('/');
        if (slash != std::string::npos) {
            EXPECT_TRUE(
                tree_->make_directories(path.substr(0, slash), files::made_directory(0755, 0, 0)));
        }
    }

    std::unique_ptr<files::PlannedTree> tree_ = std::make_unique<files::PlannedTree>(nullptr);
};

/// A step that copies `patterns` of source 0 to `destination`, over file system 1.
inline graph::CopyStep copy_step(std::vector<std::string> patterns, std::string destination) {
    graph::CopyStep step{.base = 1, .onto = 1, .destination = std::move(destination)};
    step.sources.push_back({.from = 0, .patterns = std::move(patterns)});
    return step;
}

/// What `step` makes over `onto` of `source`: the lines of a FakeMaker, or {"error", message}.
inline Lines copied(const graph::CopyStep& step, layers::FileSource& source,
                    layers::FileSource& onto) {
    const auto selection = files::select(step, {{0, &source}});
    if (!selection) {
        return {{"error", selection.error().message}};
    }
    FakeMaker maker;
    const auto layer = files::copy(step, *selection, &onto, maker);
    if (!layer) {
        return {{"error", layer.error().message}};
    }
    return maker.lines();
}

}  // namespace lazybuild::test
