// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/blob_looks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "codec/sha256.h"
#include "tests/support/image_fixture.h"

namespace lazybuild::cache {
namespace {

/// Blobs by digest and size, or an error for whatever is asked.
class FakePlace final : public image::ImageSource {
  public:
    std::map<codec::Digest, std::uint64_t> sizes;
    std::optional<Error> error;
    std::string directory = "/place";
    std::atomic<int> asked = 0;

    std::string name() const override { return "oci:" + directory; }
    store::Origin origin() const override {
        return {.kind = store::Origin::Kind::oci_layout, .host = {}, .path = directory};
    }
    io::Task<Result<registry::Document>> root(io::Wait /*wait*/) override {
        co_return fail(invalid("not here"));
    }
    io::Task<Result<registry::Document>> document(codec::Descriptor /*descriptor*/,
                                                  io::Wait /*wait*/) override {
        co_return fail(invalid("not here"));
    }
    io::Task<Result<std::unique_ptr<registry::BlobStream>>> open_blob(
        codec::Descriptor /*blob*/, std::uint64_t /*offset_bytes*/, io::Wait /*wait*/) override {
        co_return fail(invalid("blobs are not read"));
    }
    io::Task<Result<Bytes>> read_range(codec::Digest /*blob*/, std::uint64_t /*offset_bytes*/,
                                       std::uint64_t /*size_bytes*/, io::Wait /*wait*/) override {
        co_return fail(invalid("blobs are not read"));
    }
    io::Task<Result<std::optional<std::uint64_t>>> blob_size(codec::Digest blob,
                                                             io::Wait /*wait*/) override {
        ++asked;
        if (error) {
            co_return fail(*error);
        }
        const auto size = sizes.find(blob);
        co_return size == sizes.end() ? std::nullopt : std::optional{size->second};
    }
};

class BlobLooksTest : public testing::Test {
  protected:
    BlobLooksTest() : session_(image::Session::open({}, console_).value()) {}

    static codec::Descriptor blob(const std::string& name, std::uint64_t size_bytes = 4) {
        codec::Descriptor blob;
        blob.digest = codec::sha256(as_bytes(name));
        blob.size_bytes = size_bytes;
        return blob;
    }
    Result<std::vector<BlobLook>> look(const std::vector<WantedBlob>& wanted) {
        return session_->run_blocking([&] { return look_for_blobs(wanted, *session_); });
    }

    cli::RecordingConsole console_;
    std::unique_ptr<image::Session> session_;
};

TEST_F(BlobLooksTest, asks_one_place_after_the_other) {
    const auto first = std::make_shared<FakePlace>();
    const auto second = std::make_shared<FakePlace>();
    second->directory = "/second";
    first->sizes[blob("a").digest] = 4;
    second->sizes[blob("a").digest] = second->sizes[blob("b").digest] = 4;
    second->sizes[blob("c").digest] = 5;
    const auto looks = look({{.blob = blob("a"), .places = {first, second}},
                             {.blob = blob("b"), .places = {first, second}},
                             {.blob = blob("c"), .places = {first, second}},
                             {.blob = blob("c", 0), .places = {second}},
                             {.blob = blob("d"), .places = {}}});
    ASSERT_TRUE(looks) << looks.error().message;
    EXPECT_EQ((*looks)[0].place, 0U);
    EXPECT_EQ((*looks)[1].place, 1U);
    EXPECT_FALSE((*looks)[2].place);
    EXPECT_EQ((*looks)[2].why,
              "oci:/place: it is not there; oci:/second: it has 5 bytes there, not 4");
    EXPECT_EQ((*looks)[3].place, 0U);
    EXPECT_EQ((*looks)[4].why, "no place is known where it is");
}

TEST_F(BlobLooksTest, a_place_that_is_silent_is_not_asked_for_ever) {
    const auto place = std::make_shared<FakePlace>();
    place->error = Error{.code = std::errc::timed_out, .message = "no answer"};
    std::vector<WantedBlob> wanted;
    for (int i = 0; i < 200; ++i) {
        wanted.push_back({.blob = blob(std::to_string(i)), .places = {place}});
    }
    const auto looks = look(wanted);
    ASSERT_TRUE(looks);
    EXPECT_LT(place->asked, 20);
    for (const BlobLook& each : *looks) {
        EXPECT_EQ(each.why, "oci:/place: no answer");
    }
}

TEST_F(BlobLooksTest, a_place_that_refuses_is_asked_for_each_blob) {
    const auto place = std::make_shared<FakePlace>();
    place->error = Error{.code = std::errc::permission_denied, .message = "403"};
    const std::vector<WantedBlob> wanted(20, {.blob = blob("a"), .places = {place}});
    EXPECT_TRUE(look(wanted));
    EXPECT_EQ(place->asked, 20);
}

TEST_F(BlobLooksTest, an_interrupt_is_an_error) {
    const auto place = std::make_shared<FakePlace>();
    place->error = Error{.code = std::errc::operation_canceled, .message = "interrupted"};
    const auto looks = look({{.blob = blob("a"), .places = {place}}});
    ASSERT_FALSE(looks);
    EXPECT_EQ(looks.error().code, std::errc::operation_canceled);
}

}  // namespace
}  // namespace lazybuild::cache
