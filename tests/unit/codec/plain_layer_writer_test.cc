// SPDX-License-Identifier: Apache-2.0
#include "codec/plain_layer_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "codec/layer_unpack.h"
#include "codec/sha256.h"
#include "codec/zstd.h"
#include "snapshotter/io/pool.h"

namespace lazybuild::codec {
namespace {

Bytes sample(std::size_t size_bytes) {
    Bytes bytes(size_bytes);
    std::uint64_t state = 88172645463325252;
    for (std::byte& byte : bytes) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        byte = static_cast<std::byte>(state % 23);
    }
    return bytes;
}

struct Made {
    WrittenLayer layer;
    Bytes blob;
};

Made make(ByteView tar, Compression compression, std::optional<int> level, Workers& workers,
          std::size_t piece_bytes = 100'000) {
    MemorySink out;
    auto writer = PlainLayerWriter::create(compression, level, workers, out);
    EXPECT_TRUE(writer) << writer.error().message;
    for (std::size_t at = 0; at < tar.size(); at += piece_bytes) {
        EXPECT_TRUE((*writer)->write(tar.subspan(at, std::min(piece_bytes, tar.size() - at))));
    }
    auto layer = (*writer)->finish();
    EXPECT_TRUE(layer) << layer.error().message;
    writer->reset();
    return {.layer = *std::move(layer), .blob = std::move(out).take()};
}

Bytes unpack(ByteView blob) {
    MemorySink tar;
    LayerUnpacker unpacker{tar};
    EXPECT_TRUE(unpacker.write(blob));
    EXPECT_TRUE(unpacker.finish());
    return std::move(tar).take();
}

constexpr auto kAll = {Compression::none, Compression::gzip, Compression::zstd};

TEST(PlainLayerWriter, writes_what_unpacks_to_the_tar_and_says_the_digests) {
    io::Pool workers(2);
    for (const std::size_t size : {0UL, 1UL, 4UL << 20, 9'000'001UL}) {
        const Bytes tar = sample(size);
        for (const Compression compression : kAll) {
            const Made made = make(tar, compression, std::nullopt, workers);
            EXPECT_TRUE(unpack(made.blob) == tar);
            EXPECT_EQ(made.layer.blob, sha256(made.blob));
            EXPECT_EQ(made.layer.blob_size_bytes, made.blob.size());
            EXPECT_EQ(made.layer.diff_id, sha256(tar));
            EXPECT_EQ(made.layer.uncompressed_size_bytes, tar.size());
        }
    }
}

TEST(PlainLayerWriter, writes_the_same_on_any_workers_and_for_any_pieces) {
    const Bytes tar = sample(9'000'001);
    io::Pool pool(4);
    CallerWorkers alone;
    for (const Compression compression : kAll) {
        const Bytes expected = make(tar, compression, 1, alone).blob;
        EXPECT_TRUE(make(tar, compression, 1, pool, 7'777).blob == expected);
        EXPECT_TRUE(make(tar, compression, 1, pool, tar.size()).blob == expected);
    }
}

TEST(PlainLayerWriter, takes_every_level_and_no_other) {
    CallerWorkers workers;
    const Bytes tar = sample(10'000);
    for (int level = kPlainGzipLevelMin; level <= kPlainGzipLevelMax; ++level) {
        EXPECT_TRUE(unpack(make(tar, Compression::gzip, level, workers).blob) == tar) << level;
    }
    for (int level = kZstdLevelMin; level <= kZstdLevelMax; ++level) {
        EXPECT_TRUE(unpack(make(tar, Compression::zstd, level, workers).blob) == tar) << level;
    }
    MemorySink out;
    for (const int level : {-1, 13, 23}) {
        EXPECT_FALSE(PlainLayerWriter::create(Compression::gzip, level, workers, out)) << level;
    }
    for (const int level : {0, 23}) {
        const auto refused = PlainLayerWriter::create(Compression::zstd, level, workers, out);
        ASSERT_FALSE(refused) << level;
        EXPECT_EQ(refused.error().code, std::errc::invalid_argument);
    }
}

TEST(PlainLayerWriter, passes_on_what_its_sink_says) {
    class Broken final : public ByteSink {
        Result<void> write(ByteView) override {
            return fail(Error{.code = std::errc::no_space_on_device, .message = "full"});
        }
    };
    io::Pool workers(2);
    for (const Compression compression : kAll) {
        Broken out;
        auto writer = PlainLayerWriter::create(compression, std::nullopt, workers, out);
        ASSERT_TRUE(writer);
        Result<void> written = (*writer)->write(sample(1000));
        if (written) {
            auto finished = (*writer)->finish();
            written = finished ? Result<void>{} : fail(std::move(finished).error());
        }
        ASSERT_FALSE(written);
        EXPECT_EQ(written.error().code, std::errc::no_space_on_device);
    }
}

}  // namespace
}  // namespace lazybuild::codec
