// SPDX-License-Identifier: Apache-2.0
// One digest over all that a layer is: two layers with equal digests look the same in every mount
// and over all layers, whatever they were made from.
//
// Written for the digest, in the order of tree_walk.h, all numbers u64 little-endian, all texts
// with their length in front: "lazybuild tree 1", whether a directory was made opaque over a
// synthesised one; then for each name 'n' and the name, and either 'l' and the number of the name
// under which the same file was written before (names are counted from 0, the root is one), or 'f'
// and the file: type, opaque, whiteout, synthesised, made in a synthesised one, mode, owner, group,
// mtime, size, the content's 32 bytes, device, link target, number of xattrs and each with its
// value; a directory's names are followed by 'e'.
#pragma once

#include "codec/digest.h"
#include "codec/file_tree.h"

namespace lazybuild::codec {

/// Does not depend on the order of the nodes, on how files are cut into chunks, or on where their
/// bytes lie. Only what the root reaches counts.
/// Every Node::content is known: a file of unknown content is like any other such of its size.
Digest tree_digest(const FileTree& tree);

}  // namespace lazybuild::codec
