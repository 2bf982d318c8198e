// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "codec/estargz_footer.h"
#include "codec/estargz_toc.h"
#include "codec/estargz_writer.h"
#include "codec/gzip.h"
#include "codec/sha256.h"
#include "estargz_samples.h"
#include "snapshotter/io/pool.h"

namespace lazybuild::codec {
namespace {

using test::noise_bytes;
using test::TarBuilder;
using test::text_bytes;

constexpr std::uint64_t kBudgetBytes = 1 << 20;

struct Streamed {
    Bytes blob;
    EstargzResult result;
    Digest source;
};

/// As write_estargz(), with the tar in pieces of `piece_bytes`.
Result<Streamed> stream(ByteView tar, const EstargzOptions& options, Workers& workers,
                        std::size_t piece_bytes) {
    MemorySink out;
    ByteBudget budget(kBudgetBytes);
    EstargzStream estargz(options, workers, budget, out);
    for (std::size_t at = 0; at < tar.size(); at += piece_bytes) {
        CHECK_OK(estargz.write(tar.subspan(at, std::min(piece_bytes, tar.size() - at))));
    }
    TRY(EstargzResult result, estargz.finish());
    return Streamed{.blob = std::move(out).take(),
                    .result = std::move(result),
                    .source = estargz.source_digest()};
}

Bytes written(ByteView tar, const EstargzOptions& options) {
    MemorySink out;
    const auto result = write_estargz(MemoryAccess{tar}, options, out);
    EXPECT_TRUE(result) << result.error().message;
    return std::move(out).take();
}

/// Small files, files of several chunks, empty ones, links, and runs of entries without payload.
Bytes mixed_tar() {
    TarBuilder tar;
    for (unsigned i = 0; i < 300; ++i) {
        tar.add_directory(fmt::format("d{}/", i));
        tar.add_file(fmt::format("d{}/text", i), text_bytes(i * 37, i));
        tar.add_file(fmt::format("d{}/noise", i), noise_bytes(i * 11, i));
        tar.add(test::hard_link(fmt::format("d{}/link", i), fmt::format("d{}/text", i)));
    }
    tar.add_file("large", text_bytes(3'000'000, 1)).add_file("empty", {});
    for (unsigned i = 0; i < 2000; ++i) {
        tar.add_directory(fmt::format("e{}/", i));
    }
    tar.add_file("noise", noise_bytes(700'001, 2)).add_file("last", as_bytes("x"));
    return tar.finish();
}

TEST(EstargzStream, writes_what_the_writer_of_whole_tars_writes) {
    CallerWorkers nobody;
    for (const Bytes& tar : {test::tar_of_every_type(), mixed_tar(), TarBuilder{}.finish()}) {
        for (const std::uint64_t shared : {std::uint64_t{0}, std::uint64_t{20'000}}) {
            const EstargzOptions options{
                .level = 4, .chunk_size_bytes = 4096, .min_chunk_size_bytes = shared};
            const Bytes expected = written(tar, options);
            for (const std::size_t piece : {std::size_t{1} << 30, std::size_t{65'521}}) {
                const auto streamed = stream(tar, options, nobody, piece);
                ASSERT_TRUE(streamed) << streamed.error().message;
                EXPECT_TRUE(streamed->blob == expected);
                EXPECT_EQ(streamed->result.blob, sha256(expected));
                EXPECT_EQ(streamed->source, sha256(tar));
            }
        }
    }
}

TEST(EstargzStream, gives_the_same_bytes_whatever_the_workers) {
    const Bytes tar = mixed_tar();
    for (const int level : {1, kMemberLevelDefault}) {
        const EstargzOptions options{.level = level, .chunk_size_bytes = 200'000};
        const Bytes expected = written(tar, options);
        for (const unsigned count : {1U, 2U, 3U, 8U}) {
            io::Pool workers(count);
            for (int round = 0; round < 3; ++round) {
                const auto streamed = stream(tar, options, workers, 100'000);
                ASSERT_TRUE(streamed) << streamed.error().message;
                EXPECT_TRUE(streamed->blob == expected)
                    << count << " workers, level " << level << ", byte "
                    << std::ranges::mismatch(streamed->blob, expected).in1 - streamed->blob.begin()
                    << " of " << streamed->blob.size() << " and " << expected.size();
                EXPECT_EQ(streamed->source, sha256(tar));
            }
        }
    }
}

TEST(EstargzStream, lets_small_files_share_members_when_asked) {
    const Bytes tar = mixed_tar();
    const EstargzOptions alone{.chunk_size_bytes = 200'000};
    EstargzOptions together = alone;
    together.min_chunk_size_bytes = 50'000;
    const Bytes blob = written(tar, together);
    EXPECT_NE(blob.size(), written(tar, alone).size());

    const auto footer = find_estargz_footer(ByteView{blob}.last(kEstargzFooterBytesMax)).value();
    const ByteView members = ByteView{blob}.first(blob.size() - footer->footer_size_bytes);
    const auto toc =
        read_toc(members.subspan(footer->toc_offset_bytes), footer->toc_offset_bytes, std::nullopt);
    ASSERT_TRUE(toc) << toc.error().message;
    Inflater inflater;
    std::size_t shared = 0;
    for (const Chunk& chunk : toc->tree.chunks) {
        Bytes content(chunk.size_bytes);
        const auto read = inflater.inflate_range(
            ByteView{blob}.subspan(chunk.blob_offset_bytes, chunk.blob_size_bytes),
            chunk.member_offset_bytes, content);
        ASSERT_TRUE(read) << read.error().message;
        EXPECT_EQ(sha256(content), chunk.digest);
        EXPECT_LT(chunk.member_offset_bytes, 50'000 + 200'000);
        shared += chunk.member_offset_bytes > 0 ? 1 : 0;
    }
    EXPECT_GT(shared, 500);
}

TEST(EstargzStream, says_when_files_have_to_change_places) {
    const std::vector<std::pair<std::string, Bytes>> tars = {
        {"twice", TarBuilder{}.add_file("a", {}).add_file("./a", {}).finish()},
        {"link before target",
         TarBuilder{}.add(test::hard_link("l", "a")).add_file("a", {}).finish()},
        {"an earlier landmark", TarBuilder{}.add_file(".prefetch.landmark", {}).finish()},
    };
    CallerWorkers nobody;
    for (const auto& [name, tar] : tars) {
        MemorySink out;
        ByteBudget budget(kBudgetBytes);
        EstargzStream estargz({}, nobody, budget, out);
        EXPECT_FALSE(estargz.write(tar)) << name;
        EXPECT_TRUE(estargz.out_of_order()) << name;
    }
    Bytes padded = TarBuilder{}.add_file("a", as_bytes("a")).add_file("b", {}).finish();
    padded[kTarBlockBytes + 100] = std::byte{1};
    const Bytes unpadded = TarBuilder{}.add_file("a", as_bytes("a")).finish();
    for (const ByteView tar : {ByteView{padded}, ByteView{unpadded}.first(kTarBlockBytes + 10)}) {
        MemorySink out;
        ByteBudget budget(kBudgetBytes);
        EstargzStream estargz({}, nobody, budget, out);
        EXPECT_FALSE(estargz.write(tar) && estargz.finish());
        EXPECT_TRUE(estargz.out_of_order());
    }
}

TEST(EstargzStream, rejects_a_tar_that_is_cut_off_or_broken) {
    const Bytes tar = mixed_tar();
    for (const std::size_t size : {std::size_t{100}, std::size_t{700'100}, tar.size() - 300'000}) {
        io::Pool workers(2);
        const auto streamed = stream(ByteView{tar}.first(size), {}, workers, 50'000);
        ASSERT_FALSE(streamed) << size;
        EXPECT_EQ(streamed.error().code, std::errc::bad_message) << size;
    }
    Bytes broken = tar;
    broken[0] ^= std::byte{1};
    io::Pool workers(2);
    EXPECT_FALSE(stream(broken, {}, workers, 50'000));
}

class FullSink final : public ByteSink {
  public:
    explicit FullSink(std::uint64_t room_bytes) : room_bytes_(room_bytes) {}
    Result<void> write(ByteView bytes) override {
        if (bytes.size() > room_bytes_) {
            return fail(Error{std::errc::no_space_on_device, "full"});
        }
        room_bytes_ -= bytes.size();
        return {};
    }

  private:
    std::uint64_t room_bytes_;
};

TEST(EstargzStream, passes_on_the_error_of_its_sink_wherever_it_comes) {
    const Bytes tar = mixed_tar();
    const std::uint64_t whole = written(tar, {}).size();
    for (const std::uint64_t room : {std::uint64_t{0}, whole / 2, whole - 1}) {
        for (const unsigned count : {1U, 4U}) {
            io::Pool workers(count);
            FullSink sink(room);
            ByteBudget budget(kBudgetBytes);
            EstargzStream estargz({}, workers, budget, sink);
            Result<void> fed;
            for (std::size_t at = 0; fed && at < tar.size(); at += 10'000) {
                fed = estargz.write(
                    ByteView{tar}.subspan(at, std::min<std::size_t>(10'000, tar.size() - at)));
            }
            const auto result = fed ? estargz.finish() : fail(fed.error());
            ASSERT_FALSE(result) << room;
            EXPECT_EQ(result.error().code, std::errc::no_space_on_device);
            EXPECT_FALSE(estargz.out_of_order());
        }
    }
}

TEST(EstargzStream, may_be_left_in_the_middle) {
    const Bytes tar = mixed_tar();
    io::Pool workers(3);
    for (std::size_t size = 0; size < tar.size(); size += 1 + tar.size() / 20) {
        MemorySink out;
        ByteBudget budget(kBudgetBytes);
        EstargzStream estargz({}, workers, budget, out);
        EXPECT_TRUE(estargz.write(ByteView{tar}.first(size)));
    }
}

TEST(EstargzStream, shares_a_budget_with_others) {
    const Bytes tar = mixed_tar();
    const EstargzOptions options{.chunk_size_bytes = 100'000};
    const Bytes expected = written(tar, options);
    io::Pool workers(2);
    ByteBudget budget(1);  // less than a batch: each has one at a time
    constexpr int kStreams = 4;
    std::vector<std::thread> threads;
    threads.reserve(kStreams);
    for (int i = 0; i < kStreams; ++i) {
        threads.emplace_back([&] {
            MemorySink out;
            EstargzStream estargz(options, workers, budget, out);
            EXPECT_TRUE(estargz.write(tar));
            EXPECT_TRUE(estargz.finish());
            EXPECT_TRUE(out.bytes() == expected);
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

}  // namespace
}  // namespace lazybuild::codec
