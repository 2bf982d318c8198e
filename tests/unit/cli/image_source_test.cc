// SPDX-License-Identifier: Apache-2.0
#include "builder/image/image_source.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "codec/sha256.h"
#include "tests/support/image_fixture.h"

namespace lazybuild::cli {
namespace {

// What a bad connection does: streams of `content` that break after so many bytes each.
class FlakySource final : public image::ImageSource {
  public:
    std::string content;
    std::vector<std::size_t> breaks_after;  ///< the streams in order; those behind it do not break
    std::errc breaks_with = std::errc::connection_reset;
    std::vector<std::uint64_t> opened_at;

    std::string name() const override { return "flaky"; }
    store::Origin origin() const override { return {}; }
    io::Task<Result<registry::Document>> root(io::Wait /*wait*/) override {
        co_return fail(invalid("not here"));
    }
    io::Task<Result<registry::Document>> document(codec::Descriptor /*descriptor*/,
                                                  io::Wait /*wait*/) override {
        co_return fail(invalid("not here"));
    }
    io::Task<Result<Bytes>> read_range(codec::Digest /*blob*/, std::uint64_t /*offset_bytes*/,
                                       std::uint64_t /*size_bytes*/, io::Wait /*wait*/) override {
        co_return fail(invalid("not here"));
    }
    io::Task<Result<std::optional<std::uint64_t>>> blob_size(codec::Digest /*blob*/,
                                                             io::Wait /*wait*/) override {
        co_return fail(invalid("not here"));
    }
    io::Task<Result<std::unique_ptr<registry::BlobStream>>> open_blob(codec::Descriptor /*blob*/,
                                                                      std::uint64_t offset_bytes,
                                                                      io::Wait /*wait*/) override {
        std::size_t left = content.size() + 1;
        if (opened_at.size() < breaks_after.size()) {
            left = breaks_after[opened_at.size()];
        }
        opened_at.push_back(offset_bytes);
        co_return std::make_unique<Stream>(*this, offset_bytes, left);
    }

  private:
    class Stream final : public registry::BlobStream {
      public:
        Stream(const FlakySource& source, std::uint64_t offset_bytes, std::size_t left)
            : source_(source), offset_bytes_(offset_bytes), left_(left) {}
        io::Task<Result<std::size_t>> read(MutableByteView out, io::Wait /*wait*/) override {
            if (left_ == 0) {
                co_return fail(Error{.code = source_.breaks_with, .message = "the line is dead"});
            }
            const ByteView rest = as_bytes(source_.content).subspan(offset_bytes_);
            const std::size_t count = std::min({out.size(), rest.size(), left_});
            std::ranges::copy(rest.first(count), out.begin());
            offset_bytes_ += count;
            left_ -= count;
            co_return count;
        }
        std::uint64_t offset_bytes() const override { return offset_bytes_; }
        std::optional<std::uint64_t> blob_size_bytes() const override { return std::nullopt; }

      private:
        const FlakySource& source_;
        std::uint64_t offset_bytes_;
        std::size_t left_;
    };
};

class StreamBlobTest : public testing::Test {
  protected:
    StreamBlobTest() : session_(image::Session::open({}, console_).value()) {
        source_.content.resize(3'000'000);
        for (std::size_t i = 0; i < source_.content.size(); ++i) {
            source_.content[i] = static_cast<char>(i * 7 + i / 1000);
        }
        blob_.digest = codec::sha256(as_bytes(source_.content));
        blob_.size_bytes = source_.content.size();
    }

    Result<void> stream(ByteSink& sink) {
        return session_->run(image::stream_blob(*session_, source_, blob_, sink, session_->wait()));
    }

    RecordingConsole console_;
    std::unique_ptr<image::Session> session_;
    FlakySource source_;
    codec::Descriptor blob_;
    MemorySink sink_;
};

TEST_F(StreamBlobTest, hands_over_every_byte_once) {
    ASSERT_TRUE(stream(sink_));
    EXPECT_EQ(as_text(sink_.bytes()), source_.content);
}

TEST_F(StreamBlobTest, goes_on_where_a_stream_broke) {
    source_.breaks_after = {1'500'000, 10, 0, 0};
    const auto streamed = stream(sink_);
    ASSERT_TRUE(streamed) << streamed.error().message;
    EXPECT_EQ(as_text(sink_.bytes()), source_.content);
    EXPECT_EQ(source_.opened_at,
              (std::vector<std::uint64_t>{0, 1'500'000, 1'500'010, 1'500'010, 1'500'010}));
}

TEST_F(StreamBlobTest, gives_up_when_nothing_comes_any_more) {
    source_.breaks_after = std::vector<std::size_t>(100, 0);
    const auto streamed = stream(sink_);
    ASSERT_FALSE(streamed);
    EXPECT_EQ(streamed.error().code, std::errc::connection_reset);
    EXPECT_NE(streamed.error().message.find(blob_.digest.text()), std::string::npos);
    EXPECT_LT(source_.opened_at.size(), 10U);
}

TEST_F(StreamBlobTest, does_not_repeat_what_cannot_get_better) {
    source_.breaks_after = {10};
    source_.breaks_with = std::errc::permission_denied;
    EXPECT_EQ(stream(sink_).error().code, std::errc::permission_denied);
    EXPECT_EQ(source_.opened_at.size(), 1U);
}

TEST_F(StreamBlobTest, refuses_other_bytes_and_other_sizes) {
    source_.content[1'000'000] ^= 1;
    EXPECT_EQ(stream(sink_).error().code, std::errc::bad_message);
    source_.content[1'000'000] ^= 1;
    --blob_.size_bytes;
    EXPECT_EQ(stream(sink_).error().code, std::errc::bad_message);
    blob_.size_bytes += 2;
    EXPECT_EQ(stream(sink_).error().code, std::errc::bad_message);
}

TEST_F(StreamBlobTest, ends_with_the_error_of_its_sink) {
    class FullSink final : public ByteSink {
      public:
        Result<void> write(ByteView /*bytes*/) override {
            return fail(Error{.code = std::errc::no_space_on_device, .message = "full"});
        }
    };
    FullSink full;
    EXPECT_EQ(stream(full).error().code, std::errc::no_space_on_device);
}

}  // namespace
}  // namespace lazybuild::cli
