// SPDX-License-Identifier: Apache-2.0
// One digest over all that a layer is: two layers with equal digests look the same in every mount
// and over all layers, whatever they were made from.
//
// Written for the digest, in the order of tree_walk.h, all numbers u64 little-endian, all texts
// with their length in front: "lazybuild tree 2", whether a directory was made opaque over a
// synthesised one; then for each name 'n' and the name, and either 'l' and the number of the name
// under which the same file was written before (names are counted from 0, the root is one), or 'f'
// and the file: type, opaque, whiteout, synthesised, made in a synthesised one, mode, owner, group,
// mtime, size, the content's 32 bytes, device, link target, number of xattrs and each with its
// value; a directory's names are followed by 'e'.
//
// A regular file's content is named by SHA-256: of its bytes when it has kPieceBytes or fewer;
// otherwise of the SHA-256 digests, 32 bytes each and one behind the other, of its pieces of
// kPieceBytes, the last of which may be shorter. All others have 32 zeros. So an index whose
// chunks are such pieces proves the digest of its tree: it needs no claim of a whole file's digest
// that nobody checks when the chunks are read.
#pragma once

#include <optional>

#include "codec/digest.h"
#include "codec/file_tree.h"

namespace lazybuild::codec {

/// Does not depend on the order of the nodes, or on where the files' bytes lie; Node::content is
/// not looked at. Only what the root reaches counts. nullopt: a file is not cut into pieces of
/// kPieceBytes, so that its chunks do not say what names it. Trees of store::DiskWriter and of the
/// eStargz writer, with the chunks that it makes unless it is told otherwise, are cut so.
std::optional<Digest> tree_digest(const FileTree& tree);

}  // namespace lazybuild::codec
