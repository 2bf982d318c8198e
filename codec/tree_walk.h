// SPDX-License-Identifier: Apache-2.0
// A FileTree's names in the order of their paths: depth first, each directory's names bytewise. The
// order in which everything that must not depend on a tree's inner order is written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/file_tree.h"

namespace lazybuild::codec {

/// Goes through a tree, which outlives it and does not change. Not recursive: trees are deep.
/// Memory: some words for each level, and the path.
class TreeWalk {
  public:
    explicit TreeWalk(const FileTree& tree) : tree_(tree) {}

    struct Step {
        bool leaves = false;  ///< the directory has been gone through; the others: a name
        NodeId node = kRootNode;
        std::string_view path;  ///< "" of the root; until the next call
        std::string_view name;  ///< its last component
    };
    /// The root first; a directory's names come between it and the step that leaves it.
    std::optional<Step> next();

  private:
    struct Level {
        NodeId directory = kRootNode;
        std::size_t entry = 0;       // to be visited next
        std::size_t path_bytes = 0;  // of the directory
    };
    Step enter(NodeId node, std::size_t name_offset);

    const FileTree& tree_;
    std::vector<Level> levels_;
    std::string path_;
    bool started_ = false;
};

}  // namespace lazybuild::codec
