// SPDX-License-Identifier: Apache-2.0
// What holds for every row of the table of layer formats.
#include "codec/layer_format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "codec/sha256.h"
#include "estargz_samples.h"
#include "snapshotter/io/pool.h"

namespace lazybuild::codec {
namespace {

using test::noise_bytes;
using test::TarBuilder;
using test::text_bytes;

constexpr std::uint64_t kBudgetBytes = 1 << 20;
constexpr std::size_t kLargeBytes = 100'000;

struct Sample {
    Bytes blob;
    WrittenLayer made;

    ByteView tail(std::size_t size_bytes) const {
        return ByteView{blob}.last(std::min(size_bytes, blob.size()));
    }
    ByteView at(const IndexPlace& place) const {
        return ByteView{blob}.subspan(place.offset_bytes, place.size_bytes);
    }
};

// Of a layer with a small file, and a large one of several chunks.
Sample write_sample(const LayerFormat& format) {
    const Bytes tar = TarBuilder{}
                          .add_file("small", text_bytes(3000, 1))
                          .add_file("large", noise_bytes(kLargeBytes, 2))
                          .finish();
    io::Pool workers{2};
    ByteBudget budget{kBudgetBytes};
    MemorySink out;
    const LayerOptions options{.chunk_size_bytes = 1 << 14, .prioritized = {"large"}};
    EXPECT_TRUE(format.writer->check(options));
    auto made = format.writer->write(MemoryAccess{tar}, options, workers, budget, out);
    EXPECT_TRUE(made) << made.error().message;
    return Sample{.blob = std::move(out).take(), .made = *std::move(made)};
}

std::vector<const LayerFormat*> writable_formats() {
    std::vector<const LayerFormat*> formats;
    std::ranges::copy_if(layer_formats(), std::back_inserter(formats),
                         [](const LayerFormat* format) { return format->writer != nullptr; });
    return formats;
}

TEST(LayerFormats, have_names_numbers_and_media_types_of_their_own) {
    std::set<std::string_view> names;
    std::set<std::uint16_t> numbers;
    std::set<Compression> compressions;
    for (const LayerFormat* format : layer_formats()) {
        EXPECT_TRUE(names.insert(format->name).second) << format->name;
        EXPECT_TRUE(numbers.insert(format->number).second) << format->name;
        EXPECT_TRUE(compressions.insert(format->compression).second) << format->name;
        EXPECT_EQ(find_layer_format(format->name), format);
        EXPECT_EQ(find_layer_format(format->number), format);
    }
    EXPECT_EQ(find_layer_format("squash"), nullptr);
    EXPECT_EQ(find_layer_format(std::uint16_t{999}), nullptr);
    EXPECT_EQ(layer_format_for(media_type::kOciLayer), nullptr);
    EXPECT_EQ(layer_format_for(media_type::kOciConfig), nullptr);
}

// The numbers lie on disks.
TEST(LayerFormats, keep_their_numbers) {
    ASSERT_NE(find_layer_format(std::uint16_t{0}), nullptr);
    EXPECT_EQ(find_layer_format(std::uint16_t{0})->name, "estargz");
}

TEST(LayerFormats, are_found_from_the_end_of_what_their_writer_wrote) {
    EXPECT_EQ(writable_formats().size(), writable_format_names().size());
    for (const LayerFormat* format : writable_formats()) {
        const Sample sample = write_sample(*format);
        for (const std::size_t tail_bytes : {format->tail_bytes, sample.blob.size()}) {
            const auto found = find_layer_index(sample.tail(tail_bytes), sample.blob.size());
            ASSERT_TRUE(found) << found.error().message;
            EXPECT_EQ(found->format, format);
            EXPECT_GT(found->place.size_bytes, 0U);
            EXPECT_LE(found->place.offset_bytes + found->place.size_bytes, sample.blob.size());
        }
    }
}

TEST(LayerFormats, refuse_an_index_outside_of_the_blob) {
    for (const LayerFormat* format : writable_formats()) {
        const Sample sample = write_sample(*format);
        const auto cut_off = find_layer_index(sample.tail(format->tail_bytes), format->tail_bytes);
        ASSERT_FALSE(cut_off);
        EXPECT_EQ(cut_off.error().code, std::errc::bad_message);
        EXPECT_NE(cut_off.error().message.find("past its end"), std::string::npos);
    }
}

TEST(LayerFormats, say_that_a_blob_has_none_of_them) {
    const auto found = find_layer_index(noise_bytes(1000, 3), 1000);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, std::errc::not_supported);
    EXPECT_EQ(found.error().message, "the blob has no eStargz footer, so it has no index");
    EXPECT_FALSE(find_layer_index({}, 0));
}

TEST(LayerFormats, read_back_every_chunk_by_its_index) {
    for (const LayerFormat* format : writable_formats()) {
        const Sample sample = write_sample(*format);
        const auto place =
            format->find_index(sample.tail(format->tail_bytes), sample.blob.size()).value().value();
        const auto toc = format->read_toc(sample.at(place), place, sample.made.toc);
        ASSERT_TRUE(toc) << toc.error().message;
        EXPECT_TRUE(toc->prefetch_end_bytes.has_value());
        EXPECT_GT(toc->tree.chunks.size(), 2U);
        const std::unique_ptr<ChunkReader> reader = format->open_chunks();
        for (const Chunk& chunk : toc->tree.chunks) {
            Bytes bytes(chunk.size_bytes);
            const auto read = reader->read(ByteView{sample.blob}.subspan(chunk.blob_offset_bytes),
                                           chunk.member_offset_bytes, bytes);
            ASSERT_TRUE(read) << read.error().message;
            EXPECT_EQ(sha256(bytes), chunk.digest);
        }
    }
}

TEST(LayerFormats, read_the_whole_blob_and_say_where_its_members_are) {
    for (const LayerFormat* format : writable_formats()) {
        const Sample sample = write_sample(*format);
        const auto place =
            format->find_index(sample.tail(format->tail_bytes), sample.blob.size()).value().value();
        const auto claims = format->read_claims(sample.at(place), sample.made.toc).value();
        std::set<std::uint64_t> members;
        const auto note_member = [&members](std::uint64_t offset_bytes) -> Result<void> {
            members.insert(offset_bytes);
            return {};
        };
        const auto reader = format->open_blob(note_member, sample.made.uncompressed_size_bytes);
        MemorySink tar;
        ASSERT_TRUE(reader->push(sample.blob, tar));
        ASSERT_TRUE(reader->finish());
        EXPECT_EQ(sha256(std::move(tar).take()), sample.made.diff_id);
        for (const ClaimedChunk& chunk : claims.chunks) {
            EXPECT_TRUE(members.contains(chunk.place.blob_offset_bytes));
        }
        MemorySink no_more;
        const auto bounded = format->open_blob(note_member, 1000);
        EXPECT_EQ(bounded->push(sample.blob, no_more).error().code,
                  std::errc::argument_out_of_domain);
        const auto torn = format->open_blob(note_member, sample.made.uncompressed_size_bytes);
        ASSERT_TRUE(torn->push(ByteView{sample.blob}.first(sample.blob.size() - 1), no_more));
        EXPECT_FALSE(torn->finish());
    }
}

TEST(LayerFormats, believe_only_the_index_with_the_digest_that_is_expected) {
    for (const LayerFormat* format : writable_formats()) {
        const Sample sample = write_sample(*format);
        const auto place =
            format->find_index(sample.tail(format->tail_bytes), sample.blob.size()).value().value();
        const Digest other = sha256(as_bytes("another"));
        EXPECT_FALSE(format->read_toc(sample.at(place), place, other));
        EXPECT_FALSE(format->read_claims(sample.at(place), other));
        const auto claims = format->read_claims(sample.at(place), sample.made.toc);
        ASSERT_TRUE(claims) << claims.error().message;
        EXPECT_TRUE(format->read_claims(sample.at(place), std::nullopt));
        EXPECT_TRUE(std::ranges::any_of(
            claims->files, [](const ClaimedFile& file) { return file.path == "large"; }));
    }
}

TEST(LayerFormats, are_announced_by_the_descriptor_of_what_was_written) {
    for (const LayerFormat* format : writable_formats()) {
        const Sample sample = write_sample(*format);
        Descriptor source;
        source.media_type = media_type::kDockerLayerGzip;
        const Descriptor made = format->writer->describe(source, sample.made);
        EXPECT_EQ(layer_format_for(made.media_type), format);
        EXPECT_EQ(made.annotations.at(std::string{format->toc_annotation}), sample.made.toc.text());
        EXPECT_EQ(made.digest, sha256(sample.blob));
        EXPECT_EQ(made.size_bytes, sample.blob.size());
    }
}

}  // namespace
}  // namespace lazybuild::codec
