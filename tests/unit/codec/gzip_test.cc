// SPDX-License-Identifier: Apache-2.0
#include "codec/gzip.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "gzip_oracle.h"

namespace lazybuild::codec {
namespace {

using test::append;
using test::noise_bytes;
using test::text_bytes;
using test::to_bytes;
using test::zlib_gunzip;
using test::zlib_gzip;

Result<Bytes> read_all(ByteSource& source, std::size_t piece_bytes = 100'000) {
    Bytes all;
    Bytes piece(piece_bytes);
    while (true) {
        TRY(std::size_t count, source.read(piece));
        if (count == 0) {
            return all;
        }
        append(all, ByteView{piece}.first(count));
    }
}

Result<Bytes> gunzip(ByteView compressed, std::uint64_t output_bytes_max = kNoOutputLimit) {
    MemorySource source(compressed);
    GzipSource gzip(source, output_bytes_max);
    TRY(Bytes all, read_all(gzip));
    EXPECT_EQ(gzip.compressed_bytes(), compressed.size());
    return all;
}

/// Pushes `compressed` in pieces whose sizes `next_size` says.
template <class NextSize>
Result<Bytes> push_all(ByteView compressed, NextSize next_size, GzipStreamOptions options = {}) {
    GzipStream stream(std::move(options));
    MemorySink out;
    while (!compressed.empty()) {
        const std::size_t size = std::min<std::size_t>(next_size(), compressed.size());
        CHECK_OK(stream.push(compressed.first(size), out));
        compressed = compressed.subspan(size);
    }
    CHECK_OK(stream.finish());
    EXPECT_EQ(stream.output_bytes(), out.bytes().size());
    return out.bytes();
}

Result<Bytes> gzip_members(const std::vector<Bytes>& contents, int level,
                           std::size_t write_bytes = 1'000'000) {
    MemorySink out;
    GzipWriter writer(out, level);
    for (const Bytes& content : contents) {
        CHECK_OK(writer.start_member());
        for (ByteView rest = content; !rest.empty();) {
            const std::size_t size = std::min(rest.size(), write_bytes);
            CHECK_OK(writer.write(rest.first(size)));
            rest = rest.subspan(size);
        }
        CHECK_OK(writer.end_member());
        EXPECT_EQ(writer.compressed_bytes(), out.bytes().size());
    }
    return out.bytes();
}

/// What compresses well, badly, to nothing, and across several buffers.
std::vector<Bytes> contents() {
    return {{},
            to_bytes("x"),
            text_bytes(1000, 1),
            text_bytes(3'000'000, 2),
            noise_bytes(700'000, 3),
            Bytes(5'000'000)};
}

class FailingSink final : public ByteSink {
  public:
    Result<void> write(ByteView) override {
        return fail(Error{std::errc::no_space_on_device, "full"});
    }
};

class FailingSource final : public ByteSource {
  public:
    Result<std::size_t> read(MutableByteView) override {
        return fail(Error{std::errc::io_error, "gone"});
    }
};

TEST(GzipSource, reads_what_zlib_writes_at_every_level) {
    for (const int level : {0, 1, 6, 9}) {
        for (const Bytes& content : contents()) {
            const auto read = gunzip(zlib_gzip(content, level));
            ASSERT_TRUE(read) << read.error().message;
            EXPECT_TRUE(*read == content) << "level " << level << ", " << content.size();
        }
    }
}

TEST(GzipSource, joins_members) {
    Bytes compressed;
    Bytes content;
    for (const Bytes& part : contents()) {
        append(compressed, zlib_gzip(part));
        append(content, part);
    }
    const auto read = gunzip(compressed);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_TRUE(*read == content);
}

TEST(GzipSource, gives_single_bytes) {
    const Bytes content = text_bytes(7000, 4);
    const Bytes compressed = zlib_gzip(content);
    MemorySource source(compressed);
    GzipSource gzip(source);
    EXPECT_EQ(read_all(gzip, 1), content);
}

TEST(GzipSource, rejects_input_cut_off_anywhere) {
    Bytes compressed = zlib_gzip(text_bytes(300, 5), 6, true);
    const std::size_t first_member = compressed.size();
    append(compressed, zlib_gzip(to_bytes("second")));
    for (std::size_t size = 0; size < compressed.size(); ++size) {
        MemorySource source(ByteView{compressed}.first(size));
        GzipSource gzip(source);
        EXPECT_EQ(read_all(gzip).has_value(), size == first_member) << size;
    }
}

TEST(GzipSource, rejects_what_follows_a_member) {
    for (const std::string_view garbage :
         {std::string_view("\0", 1), std::string_view("\0\0\0\0", 4), std::string_view("x"),
          std::string_view("\x1f\x8c")}) {
        Bytes compressed = zlib_gzip(to_bytes("content"));
        append(compressed, as_bytes(garbage));
        const auto read = gunzip(compressed);
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().code, std::errc::bad_message);
    }
}

TEST(GzipSource, rejects_a_wrong_checksum_or_length) {
    const Bytes good = zlib_gzip(text_bytes(1000, 6));
    for (std::size_t behind = 1; behind <= 8; ++behind) {
        Bytes bad = good;
        bad[bad.size() - behind] ^= std::byte{0x10};
        const auto read = gunzip(bad);
        ASSERT_FALSE(read) << behind;
        EXPECT_EQ(read.error().code, std::errc::bad_message);
    }
}

TEST(GzipSource, never_gives_other_bytes_than_were_compressed) {
    const Bytes content = text_bytes(200, 7);
    const Bytes good = zlib_gzip(content, 9, true);
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        Bytes bad = good;
        bad[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
        MemorySource source(bad);
        GzipSource gzip(source);
        const auto read = read_all(gzip);
        EXPECT_TRUE(!read || *read == content) << bit;
    }
}

TEST(GzipSource, stops_at_the_output_limit) {
    const Bytes compressed = zlib_gzip(Bytes(1'000'000));
    EXPECT_TRUE(gunzip(compressed, 1'000'000));
    const auto read = gunzip(compressed, 999'999);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, std::errc::argument_out_of_domain);
}

TEST(GzipSource, passes_on_the_error_of_its_source) {
    FailingSource source;
    GzipSource gzip(source);
    const auto read = read_all(gzip);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, std::errc::io_error);
}

TEST(GzipStream, does_not_depend_on_how_the_input_is_cut) {
    Bytes compressed;
    Bytes content;
    for (unsigned i = 0; i < 5; ++i) {
        const Bytes part = i % 2 == 0 ? text_bytes(200'000 * i, i) : noise_bytes(70'000 * i, i);
        append(compressed, zlib_gzip(part, static_cast<int>(i) * 2, true));
        append(content, part);
    }
    for (const std::size_t size : {1u, 2u, 3u, 7u, 1000u, 65536u, 10'000'000u}) {
        const auto read = push_all(compressed, [size] { return size; });
        ASSERT_TRUE(read) << read.error().message;
        EXPECT_TRUE(*read == content) << size;
    }
    std::mt19937 random(8);
    for (int round = 0; round < 20; ++round) {
        const auto read =
            push_all(compressed, [&random] { return random() % (random() % 2 == 0 ? 9 : 90'000); });
        ASSERT_TRUE(read) << read.error().message;
        EXPECT_TRUE(*read == content) << round;
    }
}

TEST(GzipStream, reads_optional_header_fields_cut_anywhere) {
    const Bytes content = text_bytes(100, 9);
    Bytes compressed = zlib_gzip({}, 6, true);
    append(compressed, zlib_gzip(content, 6, true));
    for (std::size_t cut = 0; cut <= compressed.size(); ++cut) {
        GzipStream stream;
        MemorySink out;
        ASSERT_TRUE(stream.push(ByteView{compressed}.first(cut), out)) << cut;
        ASSERT_TRUE(stream.push(ByteView{compressed}.subspan(cut), out)) << cut;
        ASSERT_TRUE(stream.finish()) << cut;
        EXPECT_EQ(out.bytes(), content) << cut;
    }
}

TEST(GzipStream, rejects_a_wrong_header_checksum) {
    Bytes compressed = zlib_gzip(to_bytes("content"), 6, true);
    compressed[4] ^= std::byte{1};  // the time, which only this checksum covers
    MemorySink out;
    EXPECT_FALSE(GzipStream{}.push(compressed, out));
}

TEST(GzipStream, says_where_members_start_before_their_bytes) {
    const std::vector<Bytes> parts{to_bytes("one"), {}, text_bytes(400'000, 10), to_bytes("four")};
    Bytes compressed;
    std::vector<std::uint64_t> expected_places;
    std::vector<std::uint64_t> expected_bytes_before;
    std::uint64_t bytes_before = 0;
    for (const Bytes& part : parts) {
        expected_places.push_back(compressed.size());
        expected_bytes_before.push_back(bytes_before);
        append(compressed, zlib_gzip(part));
        bytes_before += part.size();
    }
    for (const std::size_t size : {1u, 50u, 1'000'000u}) {
        std::vector<std::uint64_t> places;
        std::vector<std::uint64_t> output_before;
        MemorySink out;
        GzipStream stream({.on_member = [&](std::uint64_t offset_bytes) -> Result<void> {
            places.push_back(offset_bytes);
            output_before.push_back(out.bytes().size());
            return {};
        }});
        for (ByteView rest = compressed; !rest.empty();) {
            const ByteView piece = rest.first(std::min(size, rest.size()));
            ASSERT_TRUE(stream.push(piece, out));
            rest = rest.subspan(piece.size());
        }
        EXPECT_EQ(places, expected_places) << size;
        EXPECT_EQ(output_before, expected_bytes_before) << size;
    }
}

TEST(GzipStream, needs_the_end_of_a_member) {
    const Bytes compressed = zlib_gzip(text_bytes(500, 11));
    for (std::size_t size = 0; size < compressed.size(); ++size) {
        GzipStream stream;
        MemorySink out;
        ASSERT_TRUE(stream.push(ByteView{compressed}.first(size), out));
        EXPECT_FALSE(stream.finish()) << size;
    }
}

TEST(GzipStream, stops_at_the_output_limit_without_writing_past_it) {
    const Bytes compressed = zlib_gzip(Bytes(10'000'000));
    MemorySink out;
    GzipStream stream({.output_bytes_max = 1'000'000, .on_member = {}});
    const auto pushed = stream.push(compressed, out);
    ASSERT_FALSE(pushed);
    EXPECT_EQ(pushed.error().code, std::errc::argument_out_of_domain);
    EXPECT_LE(out.bytes().size(), 1'000'000);
}

TEST(GzipStream, passes_on_the_errors_of_sink_and_callback) {
    const Bytes compressed = zlib_gzip(to_bytes("content"));
    FailingSink full;
    const auto pushed = GzipStream{}.push(compressed, full);
    ASSERT_FALSE(pushed);
    EXPECT_EQ(pushed.error().code, std::errc::no_space_on_device);
    MemorySink out;
    GzipStream stream({.on_member = [](std::uint64_t) -> Result<void> {
        return fail(Error{std::errc::operation_canceled, "enough"});
    }});
    const auto refused = stream.push(compressed, out);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, std::errc::operation_canceled);
}

TEST(Inflater, reads_any_range_of_a_member) {
    const Bytes content = text_bytes(900'000, 12);
    Bytes compressed = zlib_gzip(content);
    append(compressed, zlib_gzip(noise_bytes(1000, 13)));
    Inflater inflater;
    std::mt19937 random(14);
    for (int round = 0; round < 50; ++round) {
        const std::size_t skip = random() % content.size();
        const std::size_t size = random() % (content.size() - skip + 1);
        Bytes out(size);
        const auto done = inflater.inflate_range(compressed, skip, out);
        ASSERT_TRUE(done) << done.error().message;
        EXPECT_TRUE(std::ranges::equal(out, ByteView{content}.subspan(skip, size)));
    }
}

TEST(Inflater, needs_no_more_of_the_member_than_it_reads) {
    const Bytes chunk = text_bytes(50'000, 15);
    Bytes content = chunk;
    append(content, noise_bytes(500'000, 16));
    const Bytes compressed = zlib_gzip(content);
    Bytes out(chunk.size());
    const auto done = Inflater{}.inflate_range(ByteView{compressed}.first(100'000), 0, out);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(out, chunk);
}

TEST(Inflater, does_not_look_at_what_follows) {
    const Bytes content = text_bytes(5000, 17);
    Bytes compressed = zlib_gzip(content);
    append(compressed, as_bytes("no gzip at all"));
    Bytes out(content.size());
    ASSERT_TRUE(Inflater{}.inflate_range(compressed, 0, out));
    EXPECT_EQ(out, content);
}

TEST(Inflater, goes_on_into_the_next_member) {
    Bytes compressed = zlib_gzip(to_bytes("some "));
    append(compressed, zlib_gzip({}));
    append(compressed, zlib_gzip(to_bytes("content")));
    Bytes out(6);
    ASSERT_TRUE(Inflater{}.inflate_range(compressed, 3, out));
    EXPECT_EQ(out, to_bytes("e cont"));
}

TEST(Inflater, rejects_ranges_past_the_data) {
    const Bytes compressed = zlib_gzip(text_bytes(1000, 18));
    Inflater inflater;
    Bytes out(1001);
    const auto too_long = inflater.inflate_range(compressed, 0, out);
    ASSERT_FALSE(too_long);
    EXPECT_EQ(too_long.error().code, std::errc::bad_message);
    out.resize(1);
    EXPECT_FALSE(inflater.inflate_range(compressed, 1000, out));
    EXPECT_FALSE(inflater.inflate_range(compressed, ~std::uint64_t{0}, out));
    EXPECT_FALSE(inflater.inflate_range({}, 0, out));
    EXPECT_FALSE(inflater.inflate_range(ByteView{compressed}.first(20), 0, out));
    EXPECT_TRUE(inflater.inflate_range(compressed, 999, out));
}

TEST(Inflater, is_good_again_after_an_error) {
    const Bytes content = text_bytes(1000, 19);
    const Bytes compressed = zlib_gzip(content);
    Inflater inflater;
    Bytes out(1000);
    EXPECT_FALSE(inflater.inflate_range(ByteView{compressed}.first(compressed.size() / 2), 0, out));
    EXPECT_FALSE(inflater.inflate_range(as_bytes("not gzip, but long enough"), 0, out));
    ASSERT_TRUE(inflater.inflate_range(compressed, 0, out));
    EXPECT_EQ(out, content);
}

TEST(GzipWriter, writes_what_zlib_reads_at_every_level) {
    for (int level = kGzipLevelMin; level <= kGzipLevelMax; ++level) {
        for (const Bytes& content : contents()) {
            const auto compressed = gzip_members({content}, level);
            ASSERT_TRUE(compressed);
            EXPECT_TRUE(zlib_gunzip(*compressed) == content) << level << ", " << content.size();
        }
    }
}

TEST(GzipWriter, writes_members_that_stand_alone) {
    const std::vector<Bytes> parts{text_bytes(500'000, 20), text_bytes(500'000, 20), {}};
    const auto together = gzip_members(parts, 3);
    ASSERT_TRUE(together);
    Bytes one_by_one;
    for (const Bytes& part : parts) {
        const auto member = gzip_members({part}, 3);
        ASSERT_TRUE(member);
        append(one_by_one, *member);
    }
    EXPECT_TRUE(*together == one_by_one);
}

TEST(GzipWriter, starts_members_with_a_bare_header) {
    const auto compressed = gzip_members({to_bytes("content")}, 3);
    ASSERT_TRUE(compressed);
    EXPECT_EQ(to_hex(ByteView{*compressed}.first(10)), "1f8b08000000000000ff");
}

TEST(GzipWriter, does_not_depend_on_how_the_input_is_cut) {
    Bytes content = text_bytes(1'500'000, 21);
    append(content, noise_bytes(300'000, 22));
    for (int level = kGzipLevelMin; level <= kGzipLevelMax; ++level) {
        const auto whole = gzip_members({content}, level, content.size());
        ASSERT_TRUE(whole);
        for (const std::size_t size : {511u, 65536u, 262144u, 262145u}) {
            EXPECT_TRUE(gzip_members({content}, level, size) == *whole) << level << ", " << size;
        }
    }
}

TEST(GzipWriter, hardly_grows_what_does_not_compress) {
    const Bytes content = noise_bytes(1'000'000, 23);
    for (int level = 1; level <= kGzipLevelMax; ++level) {
        const auto compressed = gzip_members({content}, level);
        ASSERT_TRUE(compressed);
        EXPECT_LT(compressed->size(), content.size() + content.size() / 100) << level;
    }
}

TEST(GzipWriter, compresses_text) {
    const auto compressed = gzip_members({text_bytes(1'000'000, 24)}, 3);
    ASSERT_TRUE(compressed);
    EXPECT_LT(compressed->size(), 400'000);
}

TEST(GzipWriter, passes_on_the_error_of_its_sink) {
    FailingSink full;
    GzipWriter writer(full, 3);
    const auto started = writer.start_member();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, std::errc::no_space_on_device);
}

}  // namespace
}  // namespace lazybuild::codec
