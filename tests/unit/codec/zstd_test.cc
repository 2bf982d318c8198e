// SPDX-License-Identifier: Apache-2.0
#include "codec/zstd.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace lazybuild::codec {
namespace {

std::string text_of(std::size_t size_bytes) {
    std::string text;
    for (std::size_t i = 0; text.size() < size_bytes; ++i) {
        text += "line " + std::to_string(i * i % 7919) + "\n";
    }
    text.resize(size_bytes);
    return text;
}

Bytes frame_of(std::string_view text, int level = kZstdLevelDefault) {
    Bytes frame;
    ZstdFrameCompressor{level}.append(as_bytes(text), frame);
    return frame;
}

Bytes joined(const std::vector<Bytes>& parts) {
    Bytes all;
    for (const Bytes& part : parts) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

Result<std::string> inflate(ByteView compressed, std::size_t piece_bytes,
                            std::uint64_t bytes_max = 1 << 30) {
    ZstdStream stream{bytes_max};
    MemorySink out;
    for (std::size_t at = 0; at < compressed.size(); at += piece_bytes) {
        CHECK_OK(stream.push(compressed.subspan(at, std::min(piece_bytes, compressed.size() - at)),
                             out));
    }
    CHECK_OK(stream.finish());
    return std::string{as_text(out.bytes())};
}

TEST(ZstdStream, gives_what_was_compressed_however_it_is_cut) {
    const std::string text = text_of(3'000'000);
    for (const std::size_t piece : {1UL, 1000UL, 1'000'000'000UL}) {
        const auto found = inflate(frame_of(text), piece);
        ASSERT_TRUE(found) << found.error().message;
        EXPECT_TRUE(*found == text) << piece;
    }
}

TEST(ZstdStream, reads_many_frames_and_skips_what_holds_nothing) {
    Bytes skippable(8 + 5);
    store_le<std::uint32_t>(skippable, 0, 0x184d2a5e);
    store_le<std::uint32_t>(skippable, 4, 5);
    const auto found =
        inflate(joined({skippable, frame_of("one "), frame_of(""), frame_of("two"), skippable}), 7);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(*found, "one two");
    EXPECT_TRUE(is_zstd(skippable));
}

TEST(ZstdStream, refuses_what_is_cut_off_or_damaged) {
    const std::string text = text_of(100'000);
    const Bytes frame = frame_of(text);
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{3}, frame.size() / 2, frame.size() - 1}) {
        EXPECT_FALSE(inflate(ByteView{frame}.first(size), 100)) << size;
    }
    Bytes damaged = frame;
    damaged[damaged.size() / 2] ^= std::byte{1};
    EXPECT_FALSE(inflate(damaged, 100));
    EXPECT_FALSE(inflate(joined({frame, frame_of("x"), Bytes(10)}), 100)) << "garbage behind";
}

TEST(ZstdStream, refuses_a_frame_of_another_size_than_it_says_however_it_is_cut) {
    // Magic; a single segment, no checksum; 8 bytes of content, it says; an empty last block.
    const Bytes frame{std::byte{0x28}, std::byte{0xb5}, std::byte{0x2f},
                      std::byte{0xfd}, std::byte{0x20}, std::byte{8},
                      std::byte{1},    std::byte{0},    std::byte{0}};
    for (const std::size_t piece : {1UL, 8UL, 100UL}) {
        const auto found = inflate(frame, piece);
        ASSERT_FALSE(found) << piece;
        EXPECT_EQ(found.error().code, std::errc::bad_message);
    }
}

TEST(ZstdStream, limits_its_output) {
    const auto found = inflate(frame_of(std::string(1'000'000, 'a')), 100, 999'999);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, std::errc::argument_out_of_domain);
    EXPECT_TRUE(inflate(frame_of(std::string(1'000'000, 'a')), 100, 1'000'000));
}

TEST(ZstdStream, limits_the_window_that_a_frame_may_ask_for) {
    // Magic; no single segment, no checksum; a window of 2^(10 + 18) bytes; an empty last block.
    const Bytes frame{std::byte{0x28}, std::byte{0xb5}, std::byte{0x2f},
                      std::byte{0xfd}, std::byte{0},    std::byte{18 << 3},
                      std::byte{1},    std::byte{0},    std::byte{0}};
    const auto found = inflate(frame, 100);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, std::errc::argument_out_of_domain);
}

TEST(ZstdStream, passes_on_what_its_sink_says) {
    class Broken final : public ByteSink {
        Result<void> write(ByteView) override {
            return fail(Error{.code = std::errc::no_space_on_device, .message = "full"});
        }
    };
    Broken out;
    ZstdStream stream{1000};
    EXPECT_EQ(stream.push(frame_of("text"), out).error().code, std::errc::no_space_on_device);
}

TEST(ZstdFrameCompressor, writes_frames_that_libzstd_reads) {
    const std::string text = text_of(500'000);
    for (const int level : {kZstdLevelMin, kZstdLevelDefault, kZstdLevelMax}) {
        const Bytes frame = frame_of(text, level);
        ASSERT_EQ(ZSTD_getFrameContentSize(frame.data(), frame.size()), text.size());
        std::string read(text.size(), '\0');
        ASSERT_EQ(ZSTD_decompress(read.data(), read.size(), frame.data(), frame.size()),
                  text.size());
        EXPECT_TRUE(read == text);
        EXPECT_EQ(frame_of(text, level), frame);
    }
}

}  // namespace
}  // namespace lazybuild::codec
