// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/chunk_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "codec/layer_format.h"
#include "codec/sha256.h"
#include "codec/sha256_many.h"

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

// Pieces inflated one behind the other, until they are worth digesting.
class Window {
  public:
    explicit Window(store::LayerFiles& files) : files_(files) {}

    bool has_room(std::uint64_t size_bytes) const {
        return used_ == 0 || used_ + size_bytes <= kVerifiedTogetherBytes;
    }

    /// Where to inflate the next piece to; it counts once take() is called.
    MutableByteView room(std::uint64_t size_bytes) {
        if (bytes_.size() < used_ + size_bytes) {
            bytes_.resize(used_ + size_bytes);
        }
        return MutableByteView{bytes_}.subspan(used_, size_bytes);
    }

    /// The piece is there, `size_bytes` of it, and has these chunks.
    void take(ChunkIndex begin, ChunkIndex end, std::uint64_t size_bytes) {
        const auto records = files_.chunks().records();
        for (ChunkIndex chunk = begin; chunk < end; ++chunk) {
            chunks_.push_back({.chunk = chunk,
                               .offset = used_ + records[chunk].member_offset_bytes -
                                         records[begin].member_offset_bytes});
        }
        used_ += size_bytes;
    }

    Result<void> keep() {
        const auto records = files_.chunks().records();
        std::vector<DecodedChunk> decoded;
        decoded.reserve(chunks_.size());
        for (const auto& [chunk, offset] : chunks_) {
            decoded.push_back(
                {.chunk = chunk,
                 .bytes = ByteView{bytes_}.subspan(offset, records[chunk].size_bytes)});
        }
        chunks_.clear();
        used_ = 0;
        return keep_verified(files_, decoded);
    }

  private:
    struct Place {
        ChunkIndex chunk;
        std::uint64_t offset;  // in bytes_
    };

    store::LayerFiles& files_;
    Bytes bytes_;
    std::uint64_t used_ = 0;
    std::vector<Place> chunks_;
};

Result<void> inflate_chunks(store::LayerFiles& files, store::ChunkTable::Run run,
                            std::uint64_t blob_offset_bytes, ByteView compressed, Window& window) {
    const auto records = files.chunks().records();
    const std::unique_ptr<codec::ChunkReader> reader = files.chunks().format().open_chunks();
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
        const std::uint64_t size = last_byte - first.member_offset_bytes;
        if (!window.has_room(size)) {
            CHECK_OK(window.keep());
        }
        const ByteView member = compressed.subspan(first.blob_offset_bytes - blob_offset_bytes);
        CHECK_OK(reader->read(member, first.member_offset_bytes, window.room(size)));
        window.take(begin, end, size);
        begin = end;
    }
    return {};
}

}  // namespace

Result<void> keep_verified(store::LayerFiles& files, std::span<const DecodedChunk> decoded) {
    std::vector<ByteView> contents;
    contents.reserve(decoded.size());
    for (const DecodedChunk& one : decoded) {
        contents.push_back(one.bytes);
    }
    std::vector<codec::Digest> digests(decoded.size());
    codec::sha256_each(contents, digests);
    for (std::size_t i = 0; i < decoded.size(); ++i) {
        const ChunkRecord& record = files.chunks().records()[decoded[i].chunk];
        if (digests[i].raw() != record.digest) {
            return fail(corrupt(fmt::format(
                "the chunk at {}+{} of the blob does not have the digest sha256:{}",
                record.blob_offset_bytes, record.member_offset_bytes, to_hex(record.digest))));
        }
        CHECK_OK(files.keep(decoded[i].chunk, decoded[i].bytes));
    }
    return {};
}

Result<void> decode_chunks(store::LayerFiles& files, store::ChunkTable::Run run,
                           std::uint64_t blob_offset_bytes, ByteView compressed) {
    Window window(files);
    Result<void> inflated = inflate_chunks(files, run, blob_offset_bytes, compressed, window);
    // What came before that which does not inflate is as good as ever.
    CHECK_OK(window.keep());
    return inflated;
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
