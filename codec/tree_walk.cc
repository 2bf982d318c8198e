// SPDX-License-Identifier: Apache-2.0
#include "codec/tree_walk.h"

#include <utility>

namespace lazybuild::codec {

std::optional<TreeWalk::Step> TreeWalk::next() {
    if (!std::exchange(started_, true)) {
        return enter(kRootNode, 0);
    }
    if (levels_.empty()) {
        return std::nullopt;
    }
    Level& level = levels_.back();
    path_.resize(level.path_bytes);
    const std::vector<DirectoryEntry>& entries = tree_.nodes[level.directory].entries;
    if (level.entry == entries.size()) {
        const NodeId left = level.directory;
        levels_.pop_back();
        return Step{.leaves = true, .node = left, .path = path_, .name = {}};
    }
    const DirectoryEntry& entry = entries[level.entry++];
    path_ += path_.empty() ? "" : "/";
    const std::size_t name_offset = path_.size();
    path_ += entry.name;
    return enter(entry.node, name_offset);
}

TreeWalk::Step TreeWalk::enter(NodeId node, std::size_t name_offset) {
    if (tree_.nodes[node].type == FileType::directory) {
        levels_.push_back({.directory = node, .path_bytes = path_.size()});
    }
    return {.node = node, .path = path_, .name = std::string_view{path_}.substr(name_offset)};
}

}  // namespace lazybuild::codec
