// SPDX-License-Identifier: Apache-2.0
#include "codec/tree_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <vector>

#include "codec/tree_walk.h"
#include "codec/xattrs.h"

namespace lazybuild::codec {
namespace {

Error no_tree(std::string_view why) {
    return corrupt(fmt::format("a tree that is none: {}", why));
}

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= kNameBytesMax && name != "." && name != ".." &&
           name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

bool is_xattr_name(std::string_view name) {
    return !name.empty() && name.size() <= kNameBytesMax &&
           name.find('\0') == std::string_view::npos;
}

template <class Range, class Projection>
bool rising(const Range& range, Projection projection) {
    return std::ranges::adjacent_find(range, std::ranges::greater_equal{}, projection) ==
           range.end();
}

Result<void> check_attributes(const Node& node) {
    const bool directory = node.type == FileType::directory;
    if (node.mode > 07777 || node.mtime_s < 0) {
        return fail(no_tree("a mode or a time is out of range"));
    }
    if (!directory && (node.opaque || node.synthesised || node.made_in_synthesised)) {
        return fail(no_tree("a file with a flag of directories"));
    }
    if (node.whiteout &&
        (node.type != FileType::character || node.device_major != 0 || node.device_minor != 0)) {
        return fail(no_tree("a whiteout that is no 0:0 device"));
    }
    if (node.type != FileType::regular && node.content != Digest{}) {
        return fail(no_tree("content of what is no regular file"));
    }
    if (node.type == FileType::symlink &&
        (node.link_target.empty() || node.link_target.find('\0') != std::string::npos)) {
        return fail(no_tree("a symlink to nowhere"));
    }
    if (!rising(node.xattrs, &Xattr::name) ||
        !std::ranges::all_of(node.xattrs, is_xattr_name, &Xattr::name) ||
        xattr_bytes(node.xattrs) > kXattrBytesMax) {
        return fail(no_tree("xattrs out of order or range"));
    }
    return {};
}

Result<void> check_payload(const FileTree& tree, const Node& file) {
    std::uint64_t end_bytes = 0;
    for (std::uint32_t i = 0; i < file.chunk_count; ++i) {
        const Chunk& chunk = tree.chunks[file.first_chunk + i];
        if (chunk.file_offset_bytes != end_bytes || chunk.size_bytes == 0 ||
            chunk.size_bytes > file.size_bytes - end_bytes) {
            return fail(no_tree("chunks that do not cover their file"));
        }
        end_bytes += chunk.size_bytes;
    }
    if (end_bytes != file.size_bytes) {
        return fail(no_tree("chunks that do not cover their file"));
    }
    const std::uint64_t offset_bytes = file.disk_offset_bytes;
    if (offset_bytes % kDiskAlignment != 0 || offset_bytes > tree.disk_size_bytes ||
        file.size_bytes > tree.disk_size_bytes - offset_bytes ||
        (file.size_bytes == 0 && offset_bytes != 0)) {
        return fail(no_tree("a file outside the disk"));
    }
    return {};
}

// Directories have one name each, so that what the root reaches has no circles, and the walk ends.
Result<void> check_names(const FileTree& tree) {
    std::vector<std::uint32_t> names(tree.nodes.size());
    for (const Node& node : tree.nodes) {
        if (!rising(node.entries, &DirectoryEntry::name)) {
            return fail(no_tree("names out of order"));
        }
        for (const DirectoryEntry& entry : node.entries) {
            if (!is_name(entry.name)) {
                return fail(no_tree("a name that is none"));
            }
            const bool directory = tree.nodes[entry.node].type == FileType::directory;
            if (entry.node == kRootNode || (++names[entry.node] > 1 && directory)) {
                return fail(no_tree("a directory with two names"));
            }
        }
    }
    for (NodeId id = 0; id < tree.nodes.size(); ++id) {
        const Node& node = tree.nodes[id];
        const auto inside = std::ranges::count_if(node.entries, [&tree](const auto& entry) {
            return tree.nodes[entry.node].type == FileType::directory;
        });
        const std::uint64_t links =
            node.type == FileType::directory ? 2 + static_cast<std::uint64_t>(inside) : names[id];
        if (node.link_count != links || (id != kRootNode && names[id] == 0)) {
            return fail(no_tree("a link count that does not hold, or a file without a name"));
        }
    }
    return {};
}

Result<void> check_paths(const FileTree& tree) {
    std::vector<bool> reached(tree.nodes.size());
    TreeWalk walk(tree);
    while (const auto step = walk.next()) {
        reached[step->node] = true;
        if (step->path.size() > kPathBytesMax) {
            return fail(over_limit(fmt::format("a path of more than {} bytes", kPathBytesMax)));
        }
    }
    return std::ranges::find(reached, false) == reached.end()
               ? Result<void>{}
               : fail(no_tree("directories that the root does not reach"));
}

}  // namespace

Result<void> check_tree(const FileTree& tree) {
    if (tree.root().type != FileType::directory || tree.disk_size_bytes > kDiskBytesMax ||
        tree.disk_size_bytes % kDiskAlignment != 0) {
        return fail(no_tree("its root or its disk"));
    }
    for (const Node& node : tree.nodes) {
        CHECK_OK(check_attributes(node));
        CHECK_OK(check_payload(tree, node));
    }
    CHECK_OK(check_names(tree));
    return check_paths(tree);
}

}  // namespace lazybuild::codec
