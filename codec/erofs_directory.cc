// SPDX-License-Identifier: Apache-2.0
#include "codec/erofs_directory.h"

#include <algorithm>

#include "codec/erofs_format.h"

namespace lazybuild::codec::erofs {
namespace {

constexpr std::string_view kDot = ".";
constexpr std::string_view kDotDot = "..";

std::size_t entries_before(const Node& directory, std::string_view name) {
    auto place = std::ranges::lower_bound(directory.entries, name, {}, &DirectoryEntry::name);
    return static_cast<std::size_t>(place - directory.entries.begin());
}

}  // namespace

// Names such as "!" sort before ".", and ".-" between "." and "..".
DirectoryListing::DirectoryListing(const Node& directory, NodeId self, NodeId parent)
    : directory_(directory),
      self_(self),
      parent_(parent),
      dot_(entries_before(directory, kDot)),
      dot_dot_(entries_before(directory, kDotDot) + 1) {}

const DirectoryEntry& DirectoryListing::entry(std::size_t index) const {
    const std::size_t dots_before = (index > dot_ ? 1U : 0U) + (index > dot_dot_ ? 1U : 0U);
    return directory_.entries[index - dots_before];
}

std::string_view DirectoryListing::name(std::size_t index) const {
    return index == dot_ ? kDot : index == dot_dot_ ? kDotDot : std::string_view{entry(index).name};
}

NodeId DirectoryListing::node(std::size_t index) const {
    return index == dot_ ? self_ : index == dot_dot_ ? parent_ : entry(index).node;
}

DirectoryBlock directory_block(const DirectoryListing& listing, std::size_t first) {
    DirectoryBlock block{.first = first, .end = first};
    while (block.end < listing.size()) {
        const std::size_t bytes = kDirectoryRecordBytes + listing.name(block.end).size();
        if (block.size_bytes + bytes > kBlockBytes) {
            break;
        }
        block.size_bytes += static_cast<std::uint32_t>(bytes);
        ++block.end;
    }
    ASSERT(block.end > first);
    return block;
}

std::uint64_t directory_size_bytes(const DirectoryListing& listing) {
    std::uint64_t whole_blocks_bytes = 0;
    for (std::size_t first = 0;; whole_blocks_bytes += kBlockBytes) {
        const DirectoryBlock block = directory_block(listing, first);
        if (block.end == listing.size()) {
            return whole_blocks_bytes + block.size_bytes;
        }
        first = block.end;
    }
}

void write_directory_block(const DirectoryListing& listing, const DirectoryBlock& block,
                           const std::function<RecordTarget(NodeId)>& target, MutableByteView out) {
    ASSERT(out.size() >= block.size_bytes);
    std::size_t record_at = 0;
    std::size_t name_at = (block.end - block.first) * kDirectoryRecordBytes;
    for (std::size_t index = block.first; index < block.end; ++index) {
        const std::string_view name = listing.name(index);
        const RecordTarget points_to = target(listing.node(index));
        store_le<std::uint64_t>(out, record_at, points_to.nid);
        store_le<std::uint16_t>(out, record_at + kRecordNameOffsetAt,
                                static_cast<std::uint16_t>(name_at));
        store_le<std::uint8_t>(out, record_at + kRecordFileTypeAt, points_to.file_type);
        store_le<std::uint8_t>(out, record_at + kRecordFileTypeAt + 1, 0);
        std::ranges::copy(as_bytes(name), out.begin() + static_cast<std::ptrdiff_t>(name_at));
        record_at += kDirectoryRecordBytes;
        name_at += name.size();
    }
    ASSERT(name_at == block.size_bytes);
}

}  // namespace lazybuild::codec::erofs
