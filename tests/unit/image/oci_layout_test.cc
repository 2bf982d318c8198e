// SPDX-License-Identifier: Apache-2.0
#include "builder/image/oci_layout.h"

#include <gtest/gtest.h>

#include "codec/sha256.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::image {
namespace {

TEST(OciLayout, refuses_other_directories) {
    const test::TempDir directory;
    EXPECT_EQ(OciLayout::open(directory.path()).error().code, std::errc::no_such_file_or_directory);
    directory.write("oci-layout", R"({"imageLayoutVersion":"2.0.0"})");
    EXPECT_EQ(OciLayout::open(directory.path()).error().code, std::errc::bad_message);
    directory.write("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    EXPECT_TRUE(OciLayout::open(directory.path()));
}

TEST(OciLayout, tells_beforehand_whether_there_is_a_place_for_one) {
    const test::TempDir directory;
    directory.write("file", "x");
    directory.run("mkdir others empty && echo x > others/x");
    EXPECT_TRUE(OciLayout::check_place(directory / "empty"));
    EXPECT_TRUE(OciLayout::check_place(directory / "new/and/deeper"));
    EXPECT_EQ(OciLayout::check_place(directory / "file").error().code, std::errc::not_a_directory);
    EXPECT_EQ(OciLayout::check_place(directory / "file/new").error().code,
              std::errc::not_a_directory);
    EXPECT_EQ(OciLayout::check_place(directory / "others").error().code,
              std::errc::invalid_argument);
    ASSERT_TRUE(OciLayout::create(directory / "empty"));
    EXPECT_TRUE(OciLayout::check_place(directory / "empty"));
    EXPECT_FALSE(OciLayout::open(directory / "new"));
}

TEST(OciLayout, does_not_wait_for_a_fifo_that_poses_as_a_blob) {
    const test::TempDir directory;
    const auto layout = OciLayout::create(directory / "l");
    ASSERT_TRUE(layout) << layout.error().message;
    codec::Descriptor blob;
    blob.digest = codec::sha256(as_bytes("x"));
    directory.run("mkfifo l/blobs/sha256/" + blob.digest.hex());
    EXPECT_EQ(layout->open_blob(blob).error().code, std::errc::bad_message);
}

TEST(OciLayout, says_how_large_blobs_are_that_are_there) {
    const test::TempDir directory;
    const auto layout = OciLayout::create(directory / "l");
    ASSERT_TRUE(layout) << layout.error().message;
    const codec::Digest blob = codec::sha256(as_bytes("x"));
    EXPECT_FALSE(layout->blob_size(blob).value());
    directory.write("l/blobs/sha256/" + blob.hex(), "four");
    EXPECT_EQ(layout->blob_size(blob).value(), 4U);
    directory.run("rm l/blobs/sha256/* && mkfifo l/blobs/sha256/" + blob.hex());
    EXPECT_FALSE(layout->blob_size(blob).value());
}

TEST(OciLayout, keeps_one_image_without_a_name) {
    const test::TempDir directory;
    const auto layout = OciLayout::create(directory / "l");
    ASSERT_TRUE(layout);
    codec::Descriptor image;
    image.media_type = codec::media_type::kOciManifest;
    image.digest = codec::sha256(as_bytes("one"));
    ASSERT_TRUE(layout->set_image("", image));
    ASSERT_TRUE(layout->set_image("named", image));
    image.digest = codec::sha256(as_bytes("two"));
    ASSERT_TRUE(layout->set_image("", image));
    EXPECT_EQ(layout->find("")->digest, image.digest);
    EXPECT_EQ(layout->find("named")->digest, codec::sha256(as_bytes("one")));
    EXPECT_NE(layout->find("other").error().message.find("named"), std::string::npos);
}

}  // namespace
}  // namespace lazybuild::image
