// SPDX-License-Identifier: Apache-2.0
// Directories as EROFS wants them: "." and ".." among the entries, in the order of their bytes,
// packed into blocks that the kernel searches by bisection. Part of the EROFS writer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "base/bytes.h"
#include "codec/file_tree.h"

namespace lazybuild::codec::erofs {

/// The entries of one directory, "." and ".." in their places. Borrows the directory.
class DirectoryListing {
  public:
    /// `directory` is node `self`, and `parent` the directory it is in (itself for the root).
    DirectoryListing(const Node& directory, NodeId self, NodeId parent);

    std::size_t size() const { return directory_.entries.size() + 2; }
    std::string_view name(std::size_t index) const;
    NodeId node(std::size_t index) const;

  private:
    const DirectoryEntry& entry(std::size_t index) const;

    const Node& directory_;
    NodeId self_;
    NodeId parent_;
    std::size_t dot_;      // index of "."
    std::size_t dot_dot_;  // and of ".."
};

/// Entries [first, end) of a listing share a block and use `size_bytes` of it.
struct DirectoryBlock {
    std::size_t first = 0;
    std::size_t end = 0;
    std::uint32_t size_bytes = 0;
};
/// The block that starts with entry `first`, as full as it gets.
DirectoryBlock directory_block(const DirectoryListing& listing, std::size_t first);

/// The size that the inode says: every block but the last counts whole.
std::uint64_t directory_size_bytes(const DirectoryListing& listing);

/// What a record says about the node that it names.
struct RecordTarget {
    std::uint64_t nid;
    std::uint8_t file_type;
};
/// Fills the first block.size_bytes bytes of `out`; the rest is the caller's.
void write_directory_block(const DirectoryListing& listing, const DirectoryBlock& block,
                           const std::function<RecordTarget(NodeId)>& target, MutableByteView out);

}  // namespace lazybuild::codec::erofs
