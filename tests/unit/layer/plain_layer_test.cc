// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/plain_layer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "codec/gzip_member.h"
#include "codec/sha256.h"
#include "codec/tree_digest.h"
#include "codec/tree_tar.h"
#include "codec/zstd.h"
#include "layer_fixture.h"
#include "snapshotter/io/reactor.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::layer {
namespace {

/// A blob in memory whose streams break after some bytes.
class Blob {
  public:
    explicit Blob(Bytes bytes, std::size_t breaks_after_bytes = 1 << 30)
        : bytes_(std::move(bytes)), breaks_after_bytes_(breaks_after_bytes) {}

    BlobOpener opener() {
        return
            [this](std::uint64_t offset, io::Wait wait) { return open(offset, std::move(wait)); };
    }
    std::size_t opened() const { return opened_; }

  private:
    class Stream final : public registry::BlobStream {
      public:
        Stream(const Blob& blob, std::size_t offset) : blob_(blob), offset_(offset) {}
        io::Task<Result<std::size_t>> read(MutableByteView out, io::Wait) override {
            if (given_ >= blob_.breaks_after_bytes_) {
                co_return fail(Error{.code = std::errc::connection_reset, .message = "broken"});
            }
            const std::size_t count = std::min(
                {out.size(), blob_.bytes_.size() - offset_, blob_.breaks_after_bytes_ - given_});
            std::copy_n(blob_.bytes_.begin() + static_cast<std::ptrdiff_t>(offset_), count,
                        out.begin());
            offset_ += count;
            given_ += count;
            co_return count;
        }
        std::uint64_t offset_bytes() const override { return offset_; }
        std::optional<std::uint64_t> blob_size_bytes() const override { return std::nullopt; }

      private:
        const Blob& blob_;
        std::size_t offset_;
        std::size_t given_ = 0;
    };

    io::Task<Result<std::unique_ptr<registry::BlobStream>>> open(std::uint64_t offset, io::Wait) {
        ++opened_;
        std::unique_ptr<registry::BlobStream> stream = std::make_unique<Stream>(*this, offset);
        co_return stream;
    }

    Bytes bytes_;
    std::size_t breaks_after_bytes_;
    std::size_t opened_ = 0;
};

class PlainLayerTest : public testing::Test {
  protected:
    Result<PlainLayer> unpack(Blob& blob, const PlainRequest& request) {
        const std::string directory = temp_ / std::to_string(++directories_);
        CHECK_OK(make_directories(directory));
        auto reactor = io::Reactor::create();
        EXPECT_TRUE(reactor);
        io::Pool pool{2};
        return (*reactor)->block_on(
            unpack_plain(**reactor, pool, blob.opener(), request, directory, {},
                         [this](std::uint64_t count) { fetched_ += count; }, {}));
    }
    PlainRequest request_for(ByteView blob) const {
        return {.blob = codec::sha256(blob),
                .blob_size_bytes = blob.size(),
                .diff_id = codec::sha256(layer_.tar)};
    }
    void expect_files(const PlainLayer& plain) {
        const std::string disk = temp_.read(std::to_string(directories_) + "/disk");
        for (const auto& [name, content] : layer_.files) {
            const auto id = plain.disk.tree->find("d/" + name);
            ASSERT_TRUE(id) << name;
            const codec::Node& node = plain.disk.tree->nodes[*id];
            EXPECT_EQ(node.content, codec::sha256(content)) << name;
            EXPECT_TRUE(disk.compare(node.disk_offset_bytes, node.size_bytes, as_text(content)) ==
                        0)
                << name;
        }
    }

    Bytes gzip() const {
        Bytes blob;
        codec::MemberCompressor{5}.append(layer_.tar, blob);
        return blob;
    }
    Bytes zstd() const {
        Bytes blob;
        codec::ZstdFrameCompressor{3}.append(layer_.tar, blob);
        return blob;
    }

    test::TempDir temp_;
    TestLayer layer_ = usual_layer();
    std::uint64_t fetched_ = 0;
    int directories_ = 0;
};

TEST_F(PlainLayerTest, is_whole_after_one_pass_whatever_the_compression) {
    std::vector<codec::Digest> trees;
    for (const auto& [bytes, compression] : {std::pair{layer_.tar, codec::Compression::none},
                                             std::pair{gzip(), codec::Compression::gzip},
                                             std::pair{zstd(), codec::Compression::zstd}}) {
        Blob blob{bytes};
        fetched_ = 0;
        const auto plain = unpack(blob, request_for(bytes));
        ASSERT_TRUE(plain) << plain.error().message;
        EXPECT_EQ(plain->compression, compression);
        EXPECT_EQ(plain->diff_id, codec::sha256(layer_.tar));
        EXPECT_EQ(fetched_, bytes.size());
        expect_files(*plain);
        trees.push_back(plain->disk.tree_digest);
    }
    EXPECT_EQ(trees, std::vector(3, trees[0]));
    // The estargz index of the same tar says the same tree, when it has pieces of the usual size.
    EXPECT_EQ(codec::tree_digest(make_layer(layer_.files).toc().tree), trees[0]);
}

TEST_F(PlainLayerTest, goes_on_where_a_stream_broke) {
    const Bytes bytes = gzip();
    Blob blob{bytes, 300'000};
    const auto plain = unpack(blob, request_for(bytes));
    ASSERT_TRUE(plain) << plain.error().message;
    EXPECT_GT(blob.opened(), 3U);
    expect_files(*plain);
}

TEST_F(PlainLayerTest, gives_up_on_a_stream_that_never_gives_anything) {
    const Bytes bytes = gzip();
    Blob blob{bytes, 0};
    const auto plain = unpack(blob, request_for(bytes));
    ASSERT_FALSE(plain);
    EXPECT_EQ(plain.error().code, std::errc::connection_reset);
}

TEST_F(PlainLayerTest, refuses_another_blob_than_the_manifest_names) {
    Bytes bytes = layer_.tar;
    PlainRequest request = request_for(bytes);
    bytes[100'000] ^= std::byte{1};
    Blob changed{bytes};
    EXPECT_EQ(unpack(changed, request).error().code, std::errc::bad_message);
    bytes.resize(bytes.size() - 512);
    Blob shorter{bytes};
    EXPECT_EQ(unpack(shorter, request).error().code, std::errc::bad_message);
    bytes.resize(bytes.size() + 5000);
    Blob longer{bytes};
    EXPECT_EQ(unpack(longer, request).error().code, std::errc::bad_message);
}

TEST_F(PlainLayerTest, refuses_another_diff_id_than_the_config_says) {
    const Bytes bytes = gzip();
    Blob blob{bytes};
    PlainRequest request = request_for(bytes);
    request.diff_id = request.blob;
    const auto plain = unpack(blob, request);
    ASSERT_FALSE(plain);
    EXPECT_EQ(plain.error().code, std::errc::bad_message);
    EXPECT_NE(plain.error().message.find("diffID"), std::string::npos);
    request.diff_id.reset();
    EXPECT_TRUE(unpack(blob, request)) << "nobody claims one";
}

TEST_F(PlainLayerTest, refuses_what_is_no_tar) {
    const Bytes bytes = content_of(100'000, 1);
    Blob blob{bytes};
    PlainRequest request = request_for(bytes);
    request.diff_id = codec::sha256(bytes);
    EXPECT_EQ(unpack(blob, request).error().code, std::errc::bad_message);
}

TEST_F(PlainLayerTest, comes_out_as_the_tar_of_the_same_tree) {
    Blob blob{layer_.tar};
    const auto plain = unpack(blob, request_for(layer_.tar));
    ASSERT_TRUE(plain) << plain.error().message;
    const std::string disk = temp_.read("1/disk");
    const MemoryAccess access{as_bytes(disk)};
    MemorySink tar;
    ASSERT_TRUE(codec::write_tree_tar(
        *plain->disk.tree,
        [&access](std::uint64_t offset, MutableByteView out) {
            return access.read_at(offset, out);
        },
        {}, tar));
    Blob again{tar.bytes()};
    PlainRequest request = request_for(tar.bytes());
    request.diff_id = codec::sha256(tar.bytes());
    const auto second = unpack(again, request);
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(second->disk.tree_digest, plain->disk.tree_digest);
}

}  // namespace
}  // namespace lazybuild::layer
