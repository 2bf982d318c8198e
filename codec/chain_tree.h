// SPDX-License-Identifier: Apache-2.0
// What a layer looks like where it lies in a chain: containerd unpacks it over the layers below,
// and two things come out differently there.
//
// - A directory that no entry of the layer made: containerd makes it with the attributes that it
//   has below. It looks into one lower layer after the other, the topmost first, each by itself
//   (links of that layer are followed, its whiteouts and opaque marks are not obeyed); the first
//   that has something there decides. What is no directory there counts as nothing below. That
//   search is repeated here step by step, since what it finds is what the image is.
// - The first layer hides nothing: its whiteouts are carried out on the layer itself, and leave
//   nothing behind.
//
// Source: containerd 1.6's archive/tar.go (mkparent) and continuity's fs.RootPath.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/file_tree.h"

namespace lazybuild::codec {

/// One layer below, alone.
class LowerTree {
  public:
    virtual ~LowerTree() = default;
    /// The file at a clean path ("" is the root), for its type, attributes, xattrs and link target.
    /// No symlink is followed; a file on the way is as if there were nothing.
    virtual Result<std::optional<Node>> look(std::string_view path) = 0;
};

/// The layer has a directory, besides its root, that no entry made.
bool has_bare_directories(const FileTree& tree);
/// The layer hides something of the layers below.
bool has_whiteouts(const FileTree& tree);

/// Why no image can be what containerd unpacks, wherever the layer lies; or nothing.
/// (What is made in a directory with a default ACL gets ACLs from the kernel, in the order of the
/// making.)
std::optional<std::string> why_inexact(const FileTree& tree);

/// Gives every such directory its attributes from `below`, the topmost first.
/// Errors: over_limit when too many directories have to be searched for; not_supported for what
/// would be inexact; those of the layers.
Result<void> take_attributes_from_below(FileTree& tree, std::span<LowerTree* const> below);

/// Takes away the whiteouts and opaque marks. The nodes stay, without a name.
/// Errors: not_supported when tree.opaque_over_synthesised.
Result<void> make_first_layer(FileTree& tree);

}  // namespace lazybuild::codec
