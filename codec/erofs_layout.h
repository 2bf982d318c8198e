// SPDX-License-Identifier: Apache-2.0
// Where everything of an EROFS metadata image lies, decided before the first byte is written, so
// that the image can be written in one pass. Part of the EROFS writer.
//
//   block 0           superblock, device table
//   from block 1      inodes, each followed by its xattrs and its small data or chunk index; a
//                     directory is followed by what is in it, so that `find` reads forwards
//   after the inodes  blocks of large directories and symlinks, in the order of the inodes
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "codec/erofs_format.h"
#include "codec/file_tree.h"

namespace lazybuild::codec::erofs {

/// The parts of one inode.
struct InodeShape {
    DataLayout layout = DataLayout::flat_plain;
    std::uint64_t size_bytes = 0;    ///< as stat says it
    std::uint32_t xattr_bytes = 0;   ///< behind the inode
    std::uint32_t inline_bytes = 0;  ///< behind the xattrs: the end of the data, or a chunk index
    std::uint32_t blocks = 0;        ///< elsewhere in the image

    std::uint64_t total_bytes() const { return sizeof(ExtendedInode) + xattr_bytes + inline_bytes; }
};

struct Layout {
    std::vector<NodeId> order;               ///< reachable nodes, as their inodes are written
    std::vector<NodeId> parents;             ///< by node: a directory that names it
    std::vector<std::uint32_t> nids;         ///< by node; 0: not reachable
    std::vector<std::uint32_t> data_blocks;  ///< by node: the first of InodeShape::blocks
    std::uint32_t first_data_block = 0;
    std::uint32_t blocks = 0;  ///< of the whole image

    std::uint64_t inode_offset_bytes(NodeId node) const {
        return std::uint64_t{nids[node]} * kInodeSlotBytes;
    }
};

/// Errors: as write_erofs.
Result<InodeShape> inode_shape(const FileTree& tree, NodeId node, NodeId parent, bool user_xattrs);
Result<Layout> plan_layout(const FileTree& tree, bool user_xattrs);

/// For messages: the path of a node that plan_layout has met ("/usr/bin").
std::string node_path(const FileTree& tree, const std::vector<NodeId>& parents, NodeId node);

}  // namespace lazybuild::codec::erofs
