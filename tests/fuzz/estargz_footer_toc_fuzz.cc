// SPDX-License-Identifier: Apache-2.0
// An eStargz blob from its end: footer, TOC, tree. Input that starts with '{' is the TOC's JSON
// itself, because a fuzzer seldom finds a checksum.
#include <cstdint>

#include "base/assert.h"
#include "codec/estargz_claims.h"
#include "codec/estargz_footer.h"
#include "codec/estargz_toc.h"

namespace lazybuild::codec {
namespace {

/// What a reader of the tree relies on.
void check_tree(const FileTree& tree, std::uint64_t toc_offset_bytes) {
    for (const Node& node : tree.nodes) {
        std::uint64_t covered_bytes = 0;
        for (std::uint32_t i = 0; i < node.chunk_count; ++i) {
            const Chunk& chunk = tree.chunks[node.first_chunk + i];
            ASSERT(chunk.file_offset_bytes == covered_bytes);
            ASSERT(chunk.size_bytes > 0 && chunk.size_bytes <= kChunkBytesMax);
            ASSERT(chunk.blob_size_bytes > 0 && chunk.blob_offset_bytes < toc_offset_bytes);
            ASSERT(chunk.blob_size_bytes <= toc_offset_bytes - chunk.blob_offset_bytes);
            covered_bytes += chunk.size_bytes;
        }
        ASSERT(covered_bytes == node.size_bytes);
    }
}

void check(const Result<Toc>& toc, std::uint64_t toc_offset_bytes) {
    if (toc) {
        check_tree(toc->tree, toc_offset_bytes);
        ASSERT(toc->prefetch_end_bytes.value_or(0) < toc_offset_bytes);
    }
}

void check(const Result<TocClaims>& claims) {
    if (!claims) {
        return;
    }
    ChunkPlace last;
    for (const ClaimedChunk& chunk : claims->chunks) {
        ASSERT(last <= chunk.place && chunk.place.size_bytes > 0);
        ASSERT(chunk.file < claims->files.size());
        const ClaimedFile& file = claims->files[chunk.file];
        ASSERT(chunk.file_offset_bytes < file.size_bytes);
        ASSERT(chunk.place.size_bytes <= file.size_bytes - chunk.file_offset_bytes);
        last = chunk.place;
    }
}

constexpr std::uint64_t kTocOffsetBytes = 1 << 20;

void try_blob(ByteView blob) {
    if (as_text(blob).starts_with('{')) {
        MemorySource json(blob);
        check(parse_toc(json, kTocOffsetBytes), kTocOffsetBytes);
        MemorySource again(blob);
        check(parse_toc_claims(again));
        return;
    }
    const auto footer = find_estargz_footer(blob);
    if (!footer || !*footer) {
        return;
    }
    const EstargzFooter& found = **footer;
    ASSERT(found.footer_size_bytes <= blob.size());
    const ByteView members = blob.first(blob.size() - found.footer_size_bytes);
    if (found.toc_offset_bytes > members.size()) {
        return;
    }
    check(read_toc(members.subspan(found.toc_offset_bytes), found.toc_offset_bytes, std::nullopt),
          found.toc_offset_bytes);
    TocText json(members.subspan(found.toc_offset_bytes));
    check(parse_toc_claims(json));
}

}  // namespace
}  // namespace lazybuild::codec

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    lazybuild::codec::try_blob(std::as_bytes(std::span{data, size}));
    return 0;
}
