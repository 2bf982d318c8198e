// SPDX-License-Identifier: Apache-2.0
// Looks up single files in an EROFS metadata image that erofs_writer.h has written: attributes,
// xattrs and link targets, without mounting it. Not a reader for images of other writers: compact
// inodes, shared xattrs and compression are refused. Format: erofs_format.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/stream.h"
#include "codec/file_tree.h"

namespace lazybuild::codec {

/// One path is a few reads. Threads: as those of the image.
class ErofsReader {
  public:
    /// `image` outlives it. Errors: bad_message for what is no such image.
    static Result<ErofsReader> open(const RandomAccess& image);

    /// The file at a clean path ("" is the root); symlinks are not followed, and a file on the way
    /// is as if there were nothing. Node::entries and what concerns chunks is left empty; xattrs
    /// are all that are there, those of overlayfs included.
    /// Errors: bad_message for a damaged image; those of the image.
    Result<std::optional<Node>> look(std::string_view path) const;

  private:
    struct Inode;
    ErofsReader(const RandomAccess& image, std::uint32_t root_nid)
        : image_(image), root_nid_(root_nid) {}

    Result<Inode> inode(std::uint64_t nid) const;
    Result<void> read_data(const Inode& inode, std::uint64_t offset_bytes,
                           MutableByteView out) const;
    Result<Bytes> directory_block(const Inode& inode, std::uint64_t number) const;
    Result<std::optional<std::uint64_t>> find_name(const Inode& directory,
                                                   std::string_view name) const;
    Result<Node> node_of(const Inode& inode) const;

    const RandomAccess& image_;
    std::uint64_t root_nid_;
};

}  // namespace lazybuild::codec
