// SPDX-License-Identifier: Apache-2.0
#include "codec/file_tree.h"

#include <algorithm>
#include <tuple>

#include "codec/lexical_path.h"

namespace lazybuild::codec {

std::optional<NodeId> FileTree::find(std::string_view path) const {
    NodeId id = kRootNode;
    while (!path.empty()) {
        const std::string_view name = take_component(path);
        const std::vector<DirectoryEntry>& entries = nodes[id].entries;
        const auto place = std::ranges::lower_bound(entries, name, {}, &DirectoryEntry::name);
        if (place == entries.end() || place->name != name) {
            return std::nullopt;
        }
        id = place->node;
    }
    return id;
}

void assign_disk_offsets(FileTree& tree) {
    std::vector<NodeId> files;
    for (NodeId id = 0; id < tree.nodes.size(); ++id) {
        Node& node = tree.nodes[id];
        node.disk_offset_bytes = 0;
        if (node.type == FileType::regular && node.chunk_count > 0) {
            files.push_back(id);
        }
    }
    std::ranges::sort(files, {}, [&tree](NodeId id) {
        const Chunk& first = tree.chunks[tree.nodes[id].first_chunk];
        return std::tuple{first.blob_offset_bytes, first.member_offset_bytes, id};
    });
    std::uint64_t end_bytes = 0;
    for (const NodeId id : files) {
        tree.nodes[id].disk_offset_bytes = end_bytes;
        end_bytes = align_up(end_bytes + tree.nodes[id].size_bytes, kDiskAlignment);
    }
    tree.disk_size_bytes = end_bytes;
}

Result<std::string> clean_path(std::string_view path) {
    if (path.size() > kPathBytesMax) {
        return fail(over_limit("a path of more than " + std::to_string(kPathBytesMax) + " bytes"));
    }
    if (path.find('\0') != std::string_view::npos) {
        return fail(corrupt("a path with a NUL byte"));
    }
    std::string clean = normalise_path(path, LeadingParents::drop);
    std::string_view rest = clean;
    while (!rest.empty()) {
        if (take_component(rest).size() > kNameBytesMax) {
            return fail(
                over_limit("a name of more than " + std::to_string(kNameBytesMax) + " bytes"));
        }
    }
    return clean;
}

}  // namespace lazybuild::codec
