// SPDX-License-Identifier: Apache-2.0
// A FileTree as a file: small, and read in a few milliseconds, so that a layer's index can be had
// again without its blob and without its table of contents.
//
// Format: "LZBTREE" and a zero, version u32, flags u32 (1: opaque_over_synthesised), the numbers of
// nodes and chunks u32, the disk's size u64; all little-endian. Then the nodes, in their order:
// type u8, flags u16 (kOpaque … in tree_index.cc), then as LEB128 numbers: mode, owner, group,
// links, mtime, and what the type has: size, disk offset, chunks of a file; device; names of a
// directory. Texts have their length in front. A file's chunk that says no more than the file does
// (one chunk, at the file's place on the disk) is a flag.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"
#include "codec/file_tree.h"

namespace lazybuild::codec {

/// Every node of `tree` has a name. Equal trees give equal bytes. Errors: those of `out`.
Result<void> write_tree_index(const FileTree& tree, ByteSink& out);

/// The tree that was written, node for node; chunks stand in the order of their nodes.
/// What is read is a tree as FileTreeBuilder could have made it, with its limits: any bytes may be
/// given. Errors: bad_message; over_limit; not_supported for another version.
Result<FileTree> read_tree_index(ByteView bytes);

}  // namespace lazybuild::codec
