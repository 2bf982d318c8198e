// SPDX-License-Identifier: Apache-2.0
#include "codec/tree_tar.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/tar.h"
#include "codec/tree_walk.h"

namespace lazybuild::codec {
namespace {

constexpr std::uint64_t kWindowBytesMin = 16 << 10;
constexpr std::uint64_t kWindowBytesMax = 1 << 20;

/// Reads ahead while files are asked for in the order of the disk, as they mostly are: a layer of
/// many small files is some hundred reads. A file elsewhere is read alone.
class ReadAhead {
  public:
    ReadAhead(const DiskRead& read, std::uint64_t disk_size_bytes)
        : read_(read), disk_size_bytes_(disk_size_bytes) {}

    /// Some of disk [offset, offset + size), at least a byte; good until the next call.
    Result<ByteView> at(std::uint64_t offset_bytes, std::uint64_t size_bytes) {
        if (offset_bytes < begin_bytes_ || offset_bytes >= begin_bytes_ + held_.size()) {
            CHECK_OK(load(offset_bytes, size_bytes));
        }
        const ByteView rest = ByteView{held_}.subspan(offset_bytes - begin_bytes_);
        return rest.first(std::min<std::uint64_t>(rest.size(), size_bytes));
    }

  private:
    Result<void> load(std::uint64_t offset_bytes, std::uint64_t size_bytes) {
        const std::uint64_t end_bytes = begin_bytes_ + held_.size();
        const bool goes_on = offset_bytes >= end_bytes && offset_bytes - end_bytes < kDiskAlignment;
        window_bytes_ = goes_on ? std::min(window_bytes_ * 2, kWindowBytesMax) : kWindowBytesMin;
        const std::uint64_t wanted =
            goes_on ? std::max(window_bytes_, std::min(size_bytes, kWindowBytesMax))
                    : std::min(size_bytes, kWindowBytesMax);
        held_.resize(std::min(wanted, disk_size_bytes_ - offset_bytes));
        begin_bytes_ = offset_bytes;
        return read_(offset_bytes, held_);
    }

    const DiskRead& read_;
    const std::uint64_t disk_size_bytes_;
    Bytes held_;
    std::uint64_t begin_bytes_ = 0;
    std::uint64_t window_bytes_ = kWindowBytesMin;
};

class TreeTar {
  public:
    TreeTar(const FileTree& tree, const DiskRead& read, const TreeTarOptions& options,
            ByteSink& out)
        : tree_(tree), disk_(read, tree.disk_size_bytes), options_(options), out_(out) {}

    Result<void> write();

  private:
    LayerEntry attributes(const Node& node) const;
    Result<void> write_header(LayerEntry entry);
    Result<void> write_directory(const Node& node, std::string_view path);
    Result<void> write_file(NodeId id, std::string_view path, std::string_view name);
    Result<void> write_payload(const Node& file);

    const FileTree& tree_;
    ReadAhead disk_;
    const TreeTarOptions& options_;
    ByteSink& out_;
    std::map<NodeId, std::string> first_names_;  // of files with several
};

Result<void> TreeTar::write() {
    TreeWalk walk(tree_);
    while (const auto step = walk.next()) {
        if (step->leaves) {
            continue;
        }
        const Node& node = tree_.nodes[step->node];
        CHECK_OK(node.type == FileType::directory ? write_directory(node, step->path)
                                                  : write_file(step->node, step->path, step->name));
    }
    return out_.write(tar_end());
}

LayerEntry TreeTar::attributes(const Node& node) const {
    return {.type = node.type,
            .path = {},
            .mode = node.mode,
            .uid = node.uid,
            .gid = node.gid,
            .mtime_s = std::min(node.mtime_s, options_.mtime_max_s.value_or(node.mtime_s)),
            .device_major = node.device_major,
            .device_minor = node.device_minor,
            .link_target = node.link_target,
            .xattrs = node.xattrs,
            .chunks = {}};
}

Result<void> TreeTar::write_header(LayerEntry entry) {
    return out_.write(tar_header({.entry = std::move(entry), .user_name = {}, .group_name = {}}));
}

Result<void> TreeTar::write_directory(const Node& node, std::string_view path) {
    if (!node.synthesised) {
        LayerEntry entry = attributes(node);
        entry.path = path.empty() ? "." : std::string{path};
        CHECK_OK(write_header(std::move(entry)));
    }
    if (!node.opaque) {
        return {};
    }
    LayerEntry mark{.mtime_s = attributes(node).mtime_s};
    mark.path = fmt::format("{}{}.wh..wh..opq", path, path.empty() ? "" : "/");
    return write_header(std::move(mark));
}

Result<void> TreeTar::write_file(NodeId id, std::string_view path, std::string_view name) {
    const Node& node = tree_.nodes[id];
    LayerEntry entry = attributes(node);
    entry.path = path;
    if (node.whiteout) {
        entry.type = FileType::regular;
        entry.path.insert(path.size() - name.size(), ".wh.");
        return write_header(std::move(entry));
    }
    if (node.link_count > 1) {
        const auto [first, is_first] = first_names_.emplace(id, path);
        if (!is_first) {
            entry.kind = LayerEntry::Kind::hardlink;
            entry.link_target = first->second;
            return write_header(std::move(entry));
        }
    }
    entry.size_bytes = node.type == FileType::regular ? node.size_bytes : 0;
    CHECK_OK(write_header(std::move(entry)));
    return node.type == FileType::regular ? write_payload(node) : Result<void>{};
}

Result<void> TreeTar::write_payload(const Node& file) {
    for (std::uint64_t done = 0; done < file.size_bytes;) {
        TRY(const ByteView bytes, disk_.at(file.disk_offset_bytes + done, file.size_bytes - done));
        CHECK_OK(out_.write(bytes));
        done += bytes.size();
    }
    const ByteView padding = tar_padding(file.size_bytes);
    return padding.empty() ? Result<void>{} : out_.write(padding);
}

}  // namespace

Result<void> write_tree_tar(const FileTree& tree, const DiskRead& read,
                            const TreeTarOptions& options, ByteSink& out) {
    return TreeTar{tree, read, options, out}.write();
}

}  // namespace lazybuild::codec
