// SPDX-License-Identifier: Apache-2.0
// zlib, as the second opinion on gzip, and content to compress.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace lazybuild::codec::test {

inline Bytes to_bytes(std::string_view text) {
    const ByteView view = as_bytes(text);
    return {view.begin(), view.end()};
}

/// Words out of a small vocabulary: compresses like the text of a program.
inline Bytes text_bytes(std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    std::string text;
    while (text.size() < size) {
        text += "word" + std::to_string(random() % 997) + (random() % 9 == 0 ? "\n" : " ");
    }
    text.resize(size);
    return to_bytes(text);
}

/// Does not compress.
inline Bytes noise_bytes(std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    Bytes bytes(size);
    for (std::byte& byte : bytes) {
        byte = static_cast<std::byte>(random());
    }
    return bytes;
}

inline void append(Bytes& to, ByteView bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

/// One gzip member, with all optional header fields if asked for.
inline Bytes zlib_gzip(ByteView content, int level = 6, bool rich_header = false) {
    constexpr int kGzipWindow = 15 + 16;
    z_stream stream{};
    if (deflateInit2(&stream, level, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        std::abort();
    }
    std::string extra = "SG\x05";
    extra += std::string_view("\0hello", 6);
    gz_header header{};
    header.extra = reinterpret_cast<Bytef*>(extra.data());
    header.extra_len = static_cast<uInt>(extra.size());
    std::string name = "a name";
    std::string comment = "and a comment";
    header.name = reinterpret_cast<Bytef*>(name.data());
    header.comment = reinterpret_cast<Bytef*>(comment.data());
    header.hcrc = 1;
    header.time = 12345;
    if (rich_header) {
        deflateSetHeader(&stream, &header);
    }
    Bytes out(deflateBound(&stream, content.size()) + 100);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(content.data()));
    stream.avail_in = static_cast<uInt>(content.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
        std::abort();
    }
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

/// All members; nullopt unless every byte belongs to a good one.
inline std::optional<Bytes> zlib_gunzip(ByteView compressed) {
    constexpr int kGzipWindow = 15 + 16;
    Bytes out;
    if (compressed.empty()) {
        return std::nullopt;
    }
    z_stream stream{};
    if (inflateInit2(&stream, kGzipWindow) != Z_OK) {
        std::abort();
    }
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(compressed.data()));
    stream.avail_in = static_cast<uInt>(compressed.size());
    Bytes piece(64 << 10);
    bool ended = false;
    while (true) {
        stream.next_out = reinterpret_cast<Bytef*>(piece.data());
        stream.avail_out = static_cast<uInt>(piece.size());
        const int outcome = inflate(&stream, Z_NO_FLUSH);
        append(out, ByteView{piece}.first(piece.size() - stream.avail_out));
        ended = outcome == Z_STREAM_END;
        if (ended && stream.avail_in > 0) {
            inflateReset(&stream);
            continue;
        }
        if (outcome != Z_OK) {
            break;
        }
    }
    inflateEnd(&stream);
    return ended ? std::optional{out} : std::nullopt;
}

}  // namespace lazybuild::codec::test
