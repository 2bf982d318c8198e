// SPDX-License-Identifier: Apache-2.0
// A FileTree under construction: names are looked up, put, replaced and removed as a file system
// would, at constant cost each. It knows nothing about layers; those rules are FileTreeBuilder's.
//
// While a tree is edited, link_count is the number of a node's names, the entries of a directory
// are in no order, and an entry whose node is kRootNode is a name that was removed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/file_tree.h"
#include "codec/name_index.h"

namespace lazybuild::codec {

/// One thread at a time. References to nodes last until a node is added.
class TreeEditor {
  public:
    TreeEditor();

    Node& node(NodeId id) { return tree_.nodes[id]; }
    std::vector<Chunk>& chunks() { return tree_.chunks; }
    std::optional<NodeId> child(NodeId directory, std::string_view name) const;

    /// The directory at a clean path, through symlinks, which are kept inside the tree. What is
    /// missing on the way is synthesised.
    /// Errors: bad_message for a file on the way or too many symlinks, over_limit as add().
    Result<NodeId> make_directory(std::string_view path);

    /// The node at a clean path; its last name is not followed. Makes nothing.
    std::optional<NodeId> node_at(std::string_view path);

    /// Adds a node under `name`, in place of what has that name now and all that is in it.
    /// Errors: over_limit for too many nodes, or a path of more than kPathBytesMax.
    Result<NodeId> add(NodeId directory, std::string_view name, Node node);

    /// Gives a file one more name, which is free. Errors: over_limit as add().
    Result<void> link(NodeId directory, std::string_view name, NodeId file);

    /// Removes a name, if it is there, and all that is in it.
    void remove(NodeId directory, std::string_view name);

    /// The tree as others know it: names as `replaced` says where it says something, removed names
    /// and nodes without a name gone, names sorted, links counted. Disk offsets are not assigned.
    FileTree finish(const std::map<NodeId, NodeId>& replaced) &&;

  private:
    enum class Missing : std::uint8_t { synthesise, stop };
    struct Place {
        NodeId parent = kRootNode;     // of a directory
        std::uint32_t path_bytes = 0;  // of its own path
    };

    Result<std::optional<NodeId>> walk(std::string_view path, Missing missing);
    std::uint32_t path_bytes(NodeId directory, std::string_view name) const;
    Result<void> put(NodeId directory, std::string_view name, NodeId id);
    void drop(NodeId id);
    void make_room();
    void settle_names(const std::map<NodeId, NodeId>& replaced);
    void close_gaps();
    void count_directory_links();

    FileTree tree_;
    std::vector<Place> places_;  // by node
    NameIndex names_;
    // Entries mostly follow others of their directory: the last one found, until a name goes.
    std::string last_path_;
    NodeId last_directory_ = kRootNode;
    std::uint64_t followed_bytes_ = 0;  // of symlinks
};

}  // namespace lazybuild::codec
