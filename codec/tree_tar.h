// SPDX-License-Identifier: Apache-2.0
// A layer as the tar that every unpacker knows: how what was made here leaves the house. The same
// tree gives the same bytes, whatever it was made from; read again, they give the same tree.
//
// Names stand in the order of tree_walk.h, directories before what is in them, further names of a
// file after its first as hard links with the file's attributes. A whiteout is an empty file
// ".wh.<name>", an opaque directory has ".wh..wh..opq" as its first entry. Directories that no
// entry made have none here either, so that unpacking gives them their attributes from below.
//
// Sources: OCI image-spec v1.1 layer.md; tar.h for the headers.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"
#include "codec/file_tree.h"

namespace lazybuild::codec {

/// Fills all of `out` with bytes of the layer's disk, which begin at `offset_bytes`.
using DiskRead = std::function<Result<void>(std::uint64_t offset_bytes, MutableByteView out)>;

struct TreeTarOptions {
    /// Later times become this one (SOURCE_DATE_EPOCH).
    std::optional<std::int64_t> mtime_max_s;
};

/// Writes the archive with its end marker. The tree's disk offsets are assigned. Memory: a
/// mebibyte, and the paths of files with several names. Errors: those of `read` and `out`.
Result<void> write_tree_tar(const FileTree& tree, const DiskRead& read,
                            const TreeTarOptions& options, ByteSink& out);

}  // namespace lazybuild::codec
