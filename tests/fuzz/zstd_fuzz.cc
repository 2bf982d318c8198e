// SPDX-License-Identifier: Apache-2.0
// zstd both ways against libzstd's own calls. The first byte chooses: even, the rest is compressed
// data, pushed in pieces of that size; odd, the rest is content to compress at one of the levels.
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/assert.h"
#include "codec/zstd.h"

namespace lazybuild::codec {
namespace {

constexpr std::uint64_t kOutputBytesMax = 4 << 20;

std::optional<Bytes> push_all(ByteView compressed, std::size_t piece_bytes) {
    ZstdStream stream{kOutputBytesMax};
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
    const std::optional<Bytes> ours = push_all(compressed, piece_bytes);
    ASSERT(ours == push_all(compressed, std::max<std::size_t>(compressed.size(), 1)));
    Bytes theirs(ours ? ours->size() : 0);
    if (ours && !compressed.empty()) {
        const std::size_t size =
            ZSTD_decompress(theirs.data(), theirs.size(), compressed.data(), compressed.size());
        ASSERT(size == ours->size() && theirs == *ours);
    }
}

void deflate(ByteView text, int level) {
    Bytes frame;
    ZstdFrameCompressor{level}.append(text, frame);
    const std::optional<Bytes> again = push_all(frame, 1000);
    ASSERT(again && std::ranges::equal(*again, text));
}

}  // namespace
}  // namespace lazybuild::codec

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const lazybuild::ByteView rest = std::as_bytes(std::span{data + 1, size - 1});
    if (data[0] % 2 == 0) {
        lazybuild::codec::inflate(rest, std::size_t{data[0]} + 1);
    } else {
        lazybuild::codec::deflate(rest, 1 + data[0] / 2 % 7);
    }
    return 0;
}
