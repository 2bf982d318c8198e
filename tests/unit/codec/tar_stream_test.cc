// SPDX-License-Identifier: Apache-2.0
#include "codec/tar_stream.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "estargz_samples.h"

namespace lazybuild::codec {
namespace {

using test::TarBuilder;

/// Puts together what it is shown.
class Recorder final : public TarVisitor {
  public:
    Result<void> entry(TarEntry entry, ByteView header) override {
        log.push_back(fmt::format("{} {} at {}, {}", entry.entry.path, entry.entry.size_bytes,
                                  entry.header_offset_bytes, entry.payload_offset_bytes));
        return keep(header);
    }
    Result<void> payload(ByteView bytes) override { return keep(bytes); }
    Result<void> padding(ByteView bytes) override { return keep(bytes); }
    Result<void> other(ByteView bytes) override { return keep(bytes); }

    std::vector<std::string> log;
    Bytes all;

  private:
    Result<void> keep(ByteView bytes) {
        all.insert(all.end(), bytes.begin(), bytes.end());
        return {};
    }
};

Result<void> feed(ByteView tar, std::size_t piece_bytes, Recorder& recorder) {
    TarStream stream(recorder);
    for (std::size_t at = 0; at < tar.size(); at += piece_bytes) {
        CHECK_OK(stream.push(tar.subspan(at, std::min(piece_bytes, tar.size() - at))));
    }
    return stream.finish();
}

Bytes tar_with_a_global_header() {
    // Its kind of extension header, in front of a file; only the type differs from an entry's own.
    TarEntry entry = test::tar_entry(FileType::regular, std::string(300, 'p'));
    Bytes tar = tar_header(entry);
    tar.resize(tar.size() - kTarBlockBytes);
    tar[156] = std::byte{'g'};
    unsigned sum = 0;
    for (std::size_t i = 0; i < kTarBlockBytes; ++i) {
        sum += i >= 148 && i < 156 ? ' ' : std::to_integer<unsigned>(tar[i]);
    }
    std::ranges::copy(as_bytes(fmt::format("{:06o}", sum)), tar.begin() + 148);
    const Bytes rest = TarBuilder{}.add_file("file", as_bytes("content")).finish();
    tar.insert(tar.end(), rest.begin(), rest.end());
    return tar;
}

TEST(TarStream, shows_the_entries_that_a_reader_finds_however_it_is_cut) {
    Bytes with_rest = test::tar_of_every_type();
    with_rest.resize(with_rest.size() + 9000);
    for (const Bytes& tar : {with_rest, TarBuilder{}.finish(), tar_with_a_global_header()}) {
        std::vector<std::string> expected;
        for (const TarEntry& entry : index_tar(MemoryAccess{tar}).value()) {
            expected.push_back(fmt::format("{} {} at {}, {}", entry.entry.path,
                                           entry.entry.size_bytes, entry.header_offset_bytes,
                                           entry.payload_offset_bytes));
        }
        for (const std::size_t piece : {1UL, 7UL, 511UL, 512UL, 513UL, 10'000UL, 10'000'000UL}) {
            Recorder recorder;
            const auto fed = feed(tar, piece, recorder);
            ASSERT_TRUE(fed) << fed.error().message;
            EXPECT_EQ(recorder.log, expected) << piece;
            EXPECT_TRUE(recorder.all == tar) << piece;
        }
    }
}

TEST(TarStream, ends_where_a_reader_does) {
    const Bytes tar = TarBuilder{}.add_file("a", Bytes(700)).finish();
    for (std::size_t size = 0; size <= tar.size(); size += 100) {
        const ByteView part = ByteView{tar}.first(size);
        Recorder recorder;
        const bool expected = index_tar(MemoryAccess{part}).has_value();
        EXPECT_EQ(feed(part, 64, recorder).has_value(), expected) << size;
    }
}

TEST(TarStream, limits_what_stands_in_front_of_an_entry) {
    const Bytes with_global = tar_with_a_global_header();
    const Bytes global{with_global.begin(), with_global.begin() + 2 * kTarBlockBytes};
    Recorder recorder;
    TarStream stream(recorder);
    Result<void> fed;
    std::uint64_t fed_bytes = 0;
    Bytes run;
    for (int i = 0; i < 1000; ++i) {
        run.insert(run.end(), global.begin(), global.end());
    }
    while (fed && fed_bytes < 4 * kTarHeadersBytesMax) {
        fed = stream.push(run);
        fed_bytes += run.size();
    }
    ASSERT_FALSE(fed);
    EXPECT_EQ(fed.error().code, std::errc::argument_out_of_domain);
}

}  // namespace
}  // namespace lazybuild::codec
