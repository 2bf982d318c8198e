// SPDX-License-Identifier: Apache-2.0
// Any bytes as a tar: read as a stream and by offset, built into a FileTree, and written again.
// What is asserted is what other rooms rely on, whatever the archive says.
#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/assert.h"
#include "codec/tar.h"
#include "codec/tar_format.h"

namespace lazybuild::codec {
namespace {

std::uint64_t drain(TarReader& reader) {
    Bytes buffer(1 << 12);
    std::uint64_t size_bytes = 0;
    while (true) {
        const auto count = reader.read_payload(buffer);
        if (!count || *count == 0) {
            return size_bytes;
        }
        size_bytes += *count;
    }
}

// A header that we write is read as the same entry. (A payload of the original may be missing.)
void check_round_trip(const TarEntry& entry) {
    const Bytes header = tar_header(entry);
    MemorySource source{header};
    TarReader reader{source};
    const std::optional<TarEntry> again = reader.next().value_or(std::nullopt);
    for (const Xattr& xattr : entry.entry.xattrs) {
        ASSERT(xattr.name.find('=') == std::string::npos);
    }
    ASSERT(again);
    ASSERT(again->entry.type == entry.entry.type);
    ASSERT(again->entry.kind == entry.entry.kind);
    ASSERT(again->entry.mtime_s == entry.entry.mtime_s);
    ASSERT(again->entry.size_bytes == entry.entry.size_bytes);
    ASSERT(again->entry.uid == entry.entry.uid);
    ASSERT(again->entry.path.starts_with(entry.entry.path));  // a directory's has a '/' more
    ASSERT(again->entry.link_target == entry.entry.link_target);
    ASSERT(again->user_name == entry.user_name);
    ASSERT(again->entry.xattrs.size() == entry.entry.xattrs.size());
    ASSERT(again->payload_offset_bytes == header.size());
}

void check_tree(const FileTree& tree) {
    std::vector<std::uint32_t> names(tree.nodes.size(), 0);
    for (const Node& node : tree.nodes) {
        ASSERT(node.disk_offset_bytes + node.size_bytes <= tree.disk_size_bytes);
        for (const DirectoryEntry& entry : node.entries) {
            ASSERT(entry.node != kRootNode && entry.node < tree.nodes.size());
            ++names[entry.node];
        }
    }
    for (NodeId id = 1; id < tree.nodes.size(); ++id) {
        const bool is_directory = tree.nodes[id].type == FileType::directory;
        ASSERT(names[id] == (is_directory ? 1 : tree.nodes[id].link_count));
    }
}

void read_archive(ByteView archive) {
    MemorySource source{archive};
    TarReader reader{source};
    FileTreeBuilder builder;
    bool layer = true;
    std::uint64_t end_bytes = 0;
    std::size_t count = 0;
    while (true) {
        std::optional<TarEntry> next = reader.next().value_or(std::nullopt);
        ASSERT(reader.offset_bytes() <= archive.size());
        if (!next) {
            break;
        }
        TarEntry& entry = *next;
        ASSERT(entry.header_offset_bytes >= end_bytes);
        ASSERT(entry.payload_offset_bytes >= entry.header_offset_bytes + kTarBlockBytes);
        ASSERT(entry.payload_offset_bytes == reader.offset_bytes());
        check_round_trip(entry);
        const std::uint64_t payload_bytes = drain(reader);
        ASSERT(payload_bytes <= entry.entry.size_bytes);
        end_bytes = entry.payload_offset_bytes + payload_bytes;
        if (entry.entry.size_bytes > 0) {
            entry.entry.chunks = {Chunk{.size_bytes = entry.entry.size_bytes,
                                        .blob_offset_bytes = entry.payload_offset_bytes}};
        }
        layer = layer && builder.add(std::move(entry.entry));
        ++count;
    }
    if (layer) {
        if (const auto tree = std::move(builder).finish()) {
            check_tree(*tree);
        }
    }
    if (const auto index = index_tar(MemoryAccess{archive})) {
        ASSERT(index->size() == count);
    }
}

// Mends the checksum of every block that looks like a header: without it no mutation of one would
// ever be read.
Bytes with_checksums(ByteView archive) {
    Bytes mended{archive.begin(), archive.end()};
    tar_format::Block block;
    for (std::size_t offset = 0; mended.size() - offset >= block.size(); offset += block.size()) {
        const auto place = mended.begin() + static_cast<std::ptrdiff_t>(offset);
        std::copy_n(place, block.size(), block.begin());
        if (tar_format::dialect_of(block) != tar_format::Dialect::v7) {
            tar_format::put_checksum(block);
            std::ranges::copy(block, place);
        }
    }
    return mended;
}

}  // namespace
}  // namespace lazybuild::codec

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const lazybuild::ByteView archive = std::as_bytes(std::span{data, size});
    lazybuild::codec::read_archive(archive);
    lazybuild::codec::read_archive(lazybuild::codec::with_checksums(archive));
    return 0;
}
