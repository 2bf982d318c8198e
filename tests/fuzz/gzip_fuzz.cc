// SPDX-License-Identifier: Apache-2.0
// gzip both ways against zlib. The first byte chooses: even, the rest is compressed data, pushed in
// pieces of that size; odd, the rest is content to compress at one of the levels.
#include <algorithm>
#include <cstdint>

#include "base/assert.h"
#include "codec/gzip.h"
#include "tests/unit/codec/gzip_oracle.h"

namespace lazybuild::codec {
namespace {

constexpr std::uint64_t kOutputBytesMax = 4 << 20;

std::optional<Bytes> read_all(ByteView compressed) {
    MemorySource memory(compressed);
    GzipSource source(memory, kOutputBytesMax);
    Bytes all;
    Bytes piece(64 << 10);
    while (true) {
        const auto count = source.read(piece);
        if (!count) {
            return std::nullopt;
        }
        if (*count == 0) {
            return all;
        }
        test::append(all, ByteView{piece}.first(*count));
    }
}

std::optional<Bytes> push_all(ByteView compressed, std::size_t piece_bytes) {
    GzipStream stream({.output_bytes_max = kOutputBytesMax, .on_member = {}});
    MemorySink out;
    while (!compressed.empty()) {
        const ByteView piece = compressed.first(std::min(piece_bytes, compressed.size()));
        if (!stream.push(piece, out)) {
            return std::nullopt;
        }
        compressed = compressed.subspan(piece.size());
    }
    return stream.finish() ? std::optional{std::move(out).take()} : std::nullopt;
}

void inflate(ByteView compressed, std::size_t piece_bytes) {
    const std::optional<Bytes> ours = read_all(compressed);
    ASSERT(ours == push_all(compressed, piece_bytes));
    const std::optional<Bytes> theirs = test::zlib_gunzip(compressed);
    if (theirs && theirs->size() <= kOutputBytesMax) {
        ASSERT(ours == theirs);
    }
    if (ours && !ours->empty()) {
        Bytes half(ours->size() - ours->size() / 2);
        ASSERT(Inflater{}.inflate_range(compressed, ours->size() / 2, half));
        ASSERT(std::ranges::equal(half, ByteView{*ours}.subspan(ours->size() / 2)));
    }
    Bytes anything(1000);
    (void)Inflater{}.inflate_range(compressed, piece_bytes, anything);
}

void deflate(ByteView content, int level) {
    MemorySink out;
    GzipWriter writer(out, level);
    const std::size_t cut = content.size() / 3;
    ASSERT(writer.start_member());
    ASSERT(writer.write(content.first(cut)));
    ASSERT(writer.write(content.subspan(cut)));
    ASSERT(writer.end_member());
    const std::optional<Bytes> back = test::zlib_gunzip(out.bytes());
    ASSERT(back && std::ranges::equal(*back, content));
}

void try_bytes(ByteView input) {
    if (input.empty()) {
        return;
    }
    const auto choice = std::to_integer<unsigned>(input[0]);
    if (choice % 2 == 0) {
        inflate(input.subspan(1), choice / 2 + 1);
    } else {
        deflate(input.subspan(1), static_cast<int>(choice / 2 % (kGzipLevelMax + 1)));
    }
}

}  // namespace
}  // namespace lazybuild::codec

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    lazybuild::codec::try_bytes(std::as_bytes(std::span{data, size}));
    return 0;
}
