// SPDX-License-Identifier: Apache-2.0
#include "codec/tree_editor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "codec/lexical_path.h"

namespace lazybuild::codec {
namespace {

constexpr std::size_t kLinksFollowedMax = 255;  // of one path, as containerd
// Of all symlinks followed for one layer: long targets in long chains cost much time and few bytes.
constexpr std::uint64_t kFollowedBytesMax = 64 << 20;
constexpr std::size_t kLargeLayerNodes = 20'000;

}  // namespace

TreeEditor::TreeEditor() : places_(1) {
    tree_.nodes.push_back(Node{.type = FileType::directory, .synthesised = true, .link_count = 1});
}

std::optional<NodeId> TreeEditor::child(NodeId directory, std::string_view name) const {
    const std::optional<std::uint32_t> position = names_.find(tree_.nodes, directory, name);
    if (!position) {
        return std::nullopt;
    }
    const NodeId id = tree_.nodes[directory].entries[*position].node;
    return id == kRootNode ? std::nullopt : std::optional{id};
}

Result<NodeId> TreeEditor::make_directory(std::string_view path) {
    TRY(const std::optional<NodeId> directory, walk(path, Missing::synthesise));
    ASSERT(directory);
    return *directory;
}

// The directory at a clean path; nullopt when something is missing and not to be made.
Result<std::optional<NodeId>> TreeEditor::walk(std::string_view path, Missing missing) {
    if (path == last_path_) {
        return last_directory_;
    }
    NodeId directory = kRootNode;
    std::string expanded;  // `rest`, once a symlink stood in it
    std::size_t links = 0;
    for (std::string_view rest = path; !rest.empty();) {
        const std::string_view name = take_component(rest);
        if (name == "..") {  // only symlinks have these
            directory = places_[directory].parent;
            continue;
        }
        const std::optional<NodeId> next = child(directory, name);
        if (!next) {
            if (missing == Missing::stop) {
                return std::nullopt;
            }
            // As mkdir(2) does; the mode is set after it, without the bit.
            const Node& parent = tree_.nodes[directory];
            const std::uint32_t gid = (parent.mode & kSetGroupId) != 0 ? parent.gid : 0;
            const Node made{
                .synthesised = true, .made_in_synthesised = parent.synthesised, .gid = gid};
            TRY(directory, add(directory, name, made));
            continue;
        }
        const Node& node = tree_.nodes[*next];
        if (node.type == FileType::directory) {
            directory = *next;
            continue;
        }
        if (node.type != FileType::symlink) {
            return fail(corrupt(fmt::format("\"{}\" is a file, not a directory", name)));
        }
        if (++links > kLinksFollowedMax) {
            return fail(
                corrupt(fmt::format("too many symlinks in the path, the last: \"{}\"", name)));
        }
        followed_bytes_ += node.link_target.size();
        if (followed_bytes_ > kFollowedBytesMax) {
            return fail(over_limit("too much work: most paths of the layer lead through symlinks"));
        }
        std::string target = normalise_path(node.link_target, LeadingParents::keep);
        if (node.link_target.starts_with('/')) {
            directory = kRootNode;
        }
        if (!target.empty() && !rest.empty()) {
            target += '/';
        }
        target += rest;
        expanded = std::move(target);
        rest = expanded;
    }
    last_path_ = path;
    last_directory_ = directory;
    return directory;
}

std::optional<NodeId> TreeEditor::node_at(std::string_view path) {
    if (path.empty()) {
        return kRootNode;
    }
    const auto [parent, name] = split_path(path);
    const std::optional<NodeId> directory = walk(parent, Missing::stop).value_or(std::nullopt);
    return directory ? child(*directory, name) : std::nullopt;
}

Result<NodeId> TreeEditor::add(NodeId directory, std::string_view name, Node node) {
    if (tree_.nodes.size() == kLargeLayerNodes) {
        make_room();
    }
    if (tree_.nodes.size() > kLayerEntriesMax) {
        return fail(
            over_limit(fmt::format("more than {} files and directories", kLayerEntriesMax)));
    }
    const auto id = static_cast<NodeId>(tree_.nodes.size());
    node.link_count = 0;
    tree_.nodes.push_back(std::move(node));
    places_.push_back(Place{.parent = directory, .path_bytes = path_bytes(directory, name)});
    CHECK_OK(put(directory, name, id));
    return id;
}

std::uint32_t TreeEditor::path_bytes(NodeId directory, std::string_view name) const {
    const std::size_t slash = directory == kRootNode ? 0 : 1;
    return static_cast<std::uint32_t>(places_[directory].path_bytes + slash + name.size());
}

Result<void> TreeEditor::link(NodeId directory, std::string_view name, NodeId file) {
    return put(directory, name, file);
}

Result<void> TreeEditor::put(NodeId directory, std::string_view name, NodeId id) {
    if (path_bytes(directory, name) > kPathBytesMax) {
        return fail(over_limit(fmt::format("a path of more than {} bytes", kPathBytesMax)));
    }
    ++tree_.nodes[id].link_count;
    std::vector<DirectoryEntry>& entries = tree_.nodes[directory].entries;
    if (const auto position = names_.find(tree_.nodes, directory, name)) {
        const NodeId old = std::exchange(entries[*position].node, id);
        drop(old);
        return {};
    }
    names_.add(directory, name, static_cast<std::uint32_t>(entries.size()));
    entries.push_back(DirectoryEntry{.name = std::string{name}, .node = id});
    return {};
}

void TreeEditor::remove(NodeId directory, std::string_view name) {
    if (const auto position = names_.find(tree_.nodes, directory, name)) {
        drop(std::exchange(tree_.nodes[directory].entries[*position].node, kRootNode));
    }
}

// Takes one name from a node; without one it goes, and what it holds. Each name is dropped once at
// most, so that all drops together cost no more than all names. (Not recursive: trees are deep.)
void TreeEditor::drop(NodeId id) {
    std::vector<NodeId> dropped{id};
    while (!dropped.empty()) {
        const NodeId next = dropped.back();
        dropped.pop_back();
        if (next == kRootNode || --tree_.nodes[next].link_count > 0) {
            continue;
        }
        for (const DirectoryEntry& entry : tree_.nodes[next].entries) {
            dropped.push_back(entry.node);
        }
        tree_.nodes[next] = Node{.link_count = 0};
    }
    last_path_.clear();
    last_directory_ = kRootNode;
}

FileTree TreeEditor::finish(const std::map<NodeId, NodeId>& replaced) && {
    settle_names(replaced);
    close_gaps();
    count_directory_links();
    return std::move(tree_);
}

// For the largest layer at once: memory that is not touched costs nothing, and a table that grows
// is for a moment there twice.
void TreeEditor::make_room() {
    tree_.nodes.reserve(kLayerEntriesMax + 1);
    places_.reserve(kLayerEntriesMax + 1);
    tree_.chunks.reserve(kLayerChunksMax);
}

void TreeEditor::settle_names(const std::map<NodeId, NodeId>& replaced) {
    for (const auto& [from, to] : replaced) {
        tree_.nodes[to].link_count += std::exchange(tree_.nodes[from].link_count, 0);
    }
    for (Node& node : tree_.nodes) {
        std::erase_if(node.entries,
                      [](const DirectoryEntry& entry) { return entry.node == kRootNode; });
        std::ranges::sort(node.entries, {}, &DirectoryEntry::name);
        if (replaced.empty()) {
            continue;
        }
        for (DirectoryEntry& entry : node.entries) {
            const auto found = replaced.find(entry.node);
            entry.node = found == replaced.end() ? entry.node : found->second;
        }
    }
}

// Nodes and chunk runs only ever move towards the front: a run stands where its node was added.
void TreeEditor::close_gaps() {
    std::vector<NodeId> new_ids(tree_.nodes.size());
    NodeId nodes = 0;
    std::uint32_t chunks = 0;
    for (NodeId id = 0; id < tree_.nodes.size(); ++id) {
        Node& node = tree_.nodes[id];
        if (node.link_count == 0) {
            continue;
        }
        if (node.chunk_count > 0 && node.first_chunk != chunks) {
            const auto run = tree_.chunks.begin() + node.first_chunk;
            std::copy(run, run + node.chunk_count, tree_.chunks.begin() + chunks);
        }
        node.first_chunk = node.chunk_count == 0 ? 0 : chunks;
        chunks += node.chunk_count;
        new_ids[id] = nodes;
        if (id != nodes) {
            tree_.nodes[nodes] = std::move(node);
        }
        ++nodes;
    }
    tree_.nodes.resize(nodes);
    tree_.chunks.resize(chunks);
    for (Node& node : tree_.nodes) {
        for (DirectoryEntry& entry : node.entries) {
            entry.node = new_ids[entry.node];
        }
    }
}

void TreeEditor::count_directory_links() {
    for (Node& node : tree_.nodes) {
        if (node.type == FileType::directory) {
            node.link_count = 2;
            for (const DirectoryEntry& entry : node.entries) {
                node.link_count += tree_.nodes[entry.node].type == FileType::directory ? 1 : 0;
            }
        }
    }
}

}  // namespace lazybuild::codec
