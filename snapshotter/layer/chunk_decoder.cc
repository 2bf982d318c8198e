// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/chunk_decoder.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/gzip.h"
#include "codec/sha256.h"

namespace lazybuild::layer {
namespace {

using store::ChunkIndex;
using store::ChunkRecord;

// Small files that share a member are inflated together, in pieces of at most this much.
constexpr std::uint64_t kPieceBytesMax = 16 << 20;

std::uint64_t end_in_member(const ChunkRecord& record) {
    return record.member_offset_bytes + record.size_bytes;
}

// The chunks from `begin` on that can be inflated in one go: same member, bounded size.
ChunkIndex piece_end(std::span<const ChunkRecord> records, store::ChunkTable::Run run,
                     ChunkIndex begin) {
    const ChunkRecord& first = records[begin];
    ChunkIndex end = begin + 1;
    while (end < run.end && records[end].blob_offset_bytes == first.blob_offset_bytes &&
           end_in_member(records[end]) - first.member_offset_bytes <= kPieceBytesMax) {
        ++end;
    }
    return end;
}

}  // namespace

Result<void> keep_verified(store::LayerFiles& files, ChunkIndex chunk, ByteView bytes) {
    const ChunkRecord& record = files.chunks().records()[chunk];
    if (codec::sha256(bytes).raw() != record.digest) {
        return fail(corrupt(fmt::format(
            "the chunk at {}+{} of the blob does not have the digest sha256:{}",
            record.blob_offset_bytes, record.member_offset_bytes, to_hex(record.digest))));
    }
    return files.keep(chunk, bytes);
}

Result<void> decode_chunks(store::LayerFiles& files, store::ChunkTable::Run run,
                           std::uint64_t blob_offset_bytes, ByteView compressed) {
    const auto records = files.chunks().records();
    codec::Inflater inflater;
    Bytes piece;
    for (ChunkIndex begin = run.begin; begin < run.end;) {
        if (files.presence().has(begin)) {
            ++begin;
            continue;
        }
        const ChunkRecord& first = records[begin];
        const ChunkIndex end = piece_end(records, run, begin);
        std::uint64_t last_byte = 0;
        for (ChunkIndex chunk = begin; chunk < end; ++chunk) {
            last_byte = std::max(last_byte, end_in_member(records[chunk]));
        }
        if (first.blob_offset_bytes < blob_offset_bytes ||
            first.blob_offset_bytes - blob_offset_bytes >= compressed.size()) {
            return fail(corrupt("a chunk lies outside the bytes that were fetched for it"));
        }
        piece.resize(last_byte - first.member_offset_bytes);
        const ByteView member = compressed.subspan(first.blob_offset_bytes - blob_offset_bytes);
        CHECK_OK(inflater.inflate_range(member, first.member_offset_bytes, piece));
        for (ChunkIndex chunk = begin; chunk < end; ++chunk) {
            const std::uint64_t offset =
                records[chunk].member_offset_bytes - first.member_offset_bytes;
            CHECK_OK(keep_verified(files, chunk,
                                   ByteView{piece}.subspan(offset, records[chunk].size_bytes)));
        }
        begin = end;
    }
    return {};
}

Result<bool> verify_claimed(store::LayerFiles& files, store::ChunkIndex chunk) {
    const ChunkRecord& record = files.chunks().records()[chunk];
    Bytes bytes(record.size_bytes);
    CHECK_OK(files.read(record.disk_offset_bytes, bytes));
    if (codec::sha256(bytes).raw() != record.digest) {
        return false;
    }
    files.presence().mark(chunk);
    return true;
}

}  // namespace lazybuild::layer
