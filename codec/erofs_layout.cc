// SPDX-License-Identifier: Apache-2.0
#include "codec/erofs_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <string>
#include <string_view>

#include "codec/erofs_directory.h"
#include "codec/erofs_xattrs.h"

namespace lazybuild::codec::erofs {
namespace {

constexpr std::uint64_t kBlocksMax = kNoBlock - 1;
constexpr std::size_t kSymlinkBytesMax = 4095;

bool is_directory(const FileTree& tree, NodeId node) {
    return tree.nodes[node].type == FileType::directory;
}

/// Regular files: nothing, or one chunk index into the disk.
Result<void> shape_file(const FileTree& tree, const Node& node, InodeShape& shape) {
    shape.size_bytes = node.size_bytes;
    if (node.size_bytes == 0) {
        return {};
    }
    constexpr std::uint64_t kChunkBytesMax = std::uint64_t{1} << (kBlockBits + kChunkBlockBitsMax);
    if (node.size_bytes > kChunkBytesMax) {
        return fail(over_limit(fmt::format("{} bytes", node.size_bytes)));
    }
    if (node.disk_offset_bytes % kBlockBytes != 0 ||
        node.disk_offset_bytes > tree.disk_size_bytes ||
        tree.disk_size_bytes - node.disk_offset_bytes < align_up(node.size_bytes, kBlockBytes)) {
        return fail(invalid("not on the disk"));
    }
    shape.layout = DataLayout::chunk_based;
    // Xattr areas are multiples of 4, chunk indexes stand at multiples of 8.
    const std::uint64_t before_bytes = sizeof(ExtendedInode) + shape.xattr_bytes;
    shape.inline_bytes = static_cast<std::uint32_t>(align_up(before_bytes, sizeof(ChunkIndex)) +
                                                    sizeof(ChunkIndex) - before_bytes);
    return {};
}

/// Directories and symlinks: the last part moves in behind the inode when both fit one block.
void shape_flat(std::uint64_t size_bytes, InodeShape& shape) {
    shape.size_bytes = size_bytes;
    shape.blocks = static_cast<std::uint32_t>(size_bytes / kBlockBytes);
    const auto tail_bytes = static_cast<std::uint32_t>(size_bytes % kBlockBytes);
    if (tail_bytes == 0) {
        return;
    }
    if (sizeof(ExtendedInode) + shape.xattr_bytes + tail_bytes <= kBlockBytes) {
        shape.layout = DataLayout::flat_inline;
        shape.inline_bytes = tail_bytes;
    } else {
        ++shape.blocks;
    }
}

/// The first place from `offset_bytes` on where an inode may stand: the inode itself in one block,
/// and so is inline data; xattrs may cross into the next.
std::uint64_t place_inode(std::uint64_t offset_bytes, const InodeShape& shape) {
    const std::uint64_t place = align_up(offset_bytes, kInodeSlotBytes);
    const bool is_inline = shape.layout == DataLayout::flat_inline;
    const std::uint64_t unbroken_bytes = is_inline ? shape.total_bytes() : sizeof(ExtendedInode);
    const bool broken = place % kBlockBytes + unbroken_bytes > kBlockBytes;
    return broken ? align_up(place, kBlockBytes) : place;
}

Result<void> check_name(std::string_view name) {
    const bool possible = !name.empty() && name.size() <= kNameBytesMax && name != "." &&
                          name != ".." && !name.contains('/') && !name.contains('\0');
    return possible ? Result<void>{} : fail(invalid("impossible name"));
}

class Planner {
  public:
    Planner(const FileTree& tree, bool user_xattrs) : tree_(tree), user_xattrs_(user_xattrs) {
        layout_.parents.resize(tree.nodes.size());
        layout_.nids.resize(tree.nodes.size());
        layout_.data_blocks.resize(tree.nodes.size());
    }

    Result<Layout> run() {
        if (tree_.nodes.empty() || !is_directory(tree_, kRootNode)) {
            return fail(invalid("file tree without a root directory"));
        }
        CHECK_OK(place(kRootNode, kRootNode));
        // A stack of our own: layers nest directories deeper than threads have stack for.
        std::vector<NodeId> waiting{kRootNode};
        while (!waiting.empty()) {
            const NodeId directory = waiting.back();
            waiting.pop_back();
            CHECK_OK(place_children(directory, waiting));
        }
        return finish();
    }

  private:
    Result<void> place_children(NodeId directory, std::vector<NodeId>& waiting) {
        const std::vector<DirectoryEntry>& entries = tree_.nodes[directory].entries;
        for (std::size_t i = 0; i < entries.size(); ++i) {
            const DirectoryEntry& entry = entries[i];
            Result<void> placed = check_name(entry.name);
            if (placed && i > 0 && entries[i - 1].name >= entry.name) {
                placed = fail(invalid("out of order"));
            }
            if (placed) {
                placed = place_child(directory, entry.node);
            }
            if (!placed) {
                std::string path = node_path(tree_, layout_.parents, directory);
                path += path.ends_with('/') ? "" : "/";
                return fail(std::move(placed).error().context(path + entry.name));
            }
        }
        for (const DirectoryEntry& entry : entries | std::views::reverse) {
            if (is_directory(tree_, entry.node)) {
                waiting.push_back(entry.node);
            }
        }
        return {};
    }

    Result<void> place_child(NodeId directory, NodeId node) {
        if (node >= tree_.nodes.size()) {
            return fail(invalid("names no node"));
        }
        if (layout_.nids[node] == 0) {
            return place(node, directory);
        }
        // A further hard link. A directory has one name only, and "..": one parent.
        return is_directory(tree_, node) ? fail(invalid("directory with two names"))
                                         : Result<void>{};
    }

    Result<void> place(NodeId node, NodeId parent) {
        TRY(const InodeShape shape, inode_shape(tree_, node, parent, user_xattrs_));
        const std::uint64_t offset_bytes = place_inode(end_bytes_, shape);
        // With this, every nid and every block number of the image fits 32 bits.
        if (offset_bytes / kBlockBytes + data_blocks_ + shape.blocks >= kImageBlocksMax) {
            return fail(over_limit("more metadata than an EROFS image holds"));
        }
        layout_.order.push_back(node);
        layout_.parents[node] = parent;
        layout_.nids[node] = static_cast<std::uint32_t>(offset_bytes / kInodeSlotBytes);
        layout_.data_blocks[node] = data_blocks_;
        end_bytes_ = offset_bytes + shape.total_bytes();
        data_blocks_ += shape.blocks;
        return {};
    }

    /// Data block numbers were counted from the end of the inodes, which is known only now.
    Result<Layout> finish() {
        layout_.first_data_block =
            static_cast<std::uint32_t>(align_up(end_bytes_, kBlockBytes) / kBlockBytes);
        for (std::uint32_t& block : layout_.data_blocks) {
            block += layout_.first_data_block;
        }
        layout_.blocks = layout_.first_data_block + data_blocks_;
        return std::move(layout_);
    }

    static constexpr std::uint64_t kImageBlocksMax =
        (std::uint64_t{1} << 32) / (kBlockBytes / kInodeSlotBytes);

    const FileTree& tree_;
    bool user_xattrs_;
    Layout layout_;
    std::uint64_t end_bytes_ = kBlockBytes;  // of the inodes placed so far
    std::uint32_t data_blocks_ = 0;
};

}  // namespace

Result<InodeShape> inode_shape(const FileTree& tree, NodeId node_id, NodeId parent,
                               bool user_xattrs) {
    const Node& node = tree.nodes[node_id];
    TRY(const Bytes xattrs, encode_xattrs(node, user_xattrs));
    InodeShape shape{.xattr_bytes = static_cast<std::uint32_t>(xattrs.size())};
    switch (node.type) {
        case FileType::regular: CHECK_OK(shape_file(tree, node, shape)); break;
        case FileType::directory:
            shape_flat(directory_size_bytes(DirectoryListing{node, node_id, parent}), shape);
            break;
        case FileType::symlink:
            if (node.link_target.size() > kSymlinkBytesMax) {
                return fail(over_limit("symlink target of more than 4095 bytes"));
            }
            shape_flat(node.link_target.size(), shape);
            break;
        case FileType::character:
        case FileType::block:
            if (node.device_major >= (1U << 12) || node.device_minor >= (1U << 20)) {
                return fail(
                    over_limit(fmt::format("device {}:{}", node.device_major, node.device_minor)));
            }
            break;
        case FileType::fifo: break;
    }
    return shape;
}

Result<Layout> plan_layout(const FileTree& tree, bool user_xattrs) {
    if (tree.disk_size_bytes % kBlockBytes != 0) {
        return fail(invalid("disk size is not a multiple of 4096"));
    }
    if (tree.disk_size_bytes / kBlockBytes > kBlocksMax) {
        return fail(over_limit(fmt::format("disk of {} bytes", tree.disk_size_bytes)));
    }
    return Planner{tree, user_xattrs}.run();
}

std::string node_path(const FileTree& tree, const std::vector<NodeId>& parents, NodeId node) {
    std::string path;
    while (node != kRootNode) {
        const Node& parent = tree.nodes[parents[node]];
        auto entry = std::ranges::find(parent.entries, node, &DirectoryEntry::node);
        path.insert(0, "/" + (entry == parent.entries.end() ? "?" : entry->name));
        node = parents[node];
    }
    return path.empty() ? "/" : path;
}

}  // namespace lazybuild::codec::erofs
