// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/layer_check.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "snapshotter/store/layer_files.h"
#include "tests/unit/layers/store_fixture.h"

namespace lazybuild::layers {
namespace {

class LayerCheckTest : public test::StoreTest {
  protected:
    void SetUp() override {
        StoreTest::SetUp();
        const std::string large(3'000'000, 'x');
        const LayerPointer made =
            test::Making{*store_}.file("small", "content").file("large", large).finish();
        id_ = made->id();
        layer_ = root() + "/layers/" + id_.hex();
    }
    Result<bool> check(CheckDepth depth = CheckDepth::index) {
        return store_->check_layer(id_, depth);
    }
    void flip(const std::string& path, std::uint64_t offset_bytes) const {
        auto text = read_file(path, 10'000'000).value();
        text.at(offset_bytes) ^= 1;
        ASSERT_OK(replace_file(path, as_bytes(text)));
    }

    codec::Digest id_;
    std::string layer_;
};

TEST_F(LayerCheckTest, a_layer_that_is_here_is_whole) {
    EXPECT_TRUE(check().value());
    EXPECT_TRUE(check(CheckDepth::every_byte).value());
    EXPECT_FALSE(store_->check_layer(codec::sha256({}), CheckDepth::every_byte).value());
}

TEST_F(LayerCheckTest, to_look_is_not_to_use) {
    struct stat before{};
    struct stat after{};
    reopen();  // it has become durable
    const std::string disk = store::disk_path(layer_);
    const timespec long_ago[2] = {{.tv_sec = 1'000'000'000}, {.tv_sec = 1'000'000'000}};
    ASSERT_EQ(::utimensat(AT_FDCWD, disk.c_str(), long_ago, 0), 0);
    ASSERT_EQ(::stat(disk.c_str(), &before), 0);
    EXPECT_TRUE(check(CheckDepth::every_byte).value());
    ASSERT_EQ(::stat(disk.c_str(), &after), 0);
    EXPECT_EQ(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    EXPECT_TRUE(store_->remove_layer(id_));
    EXPECT_FALSE(check().value());
}

TEST_F(LayerCheckTest, one_that_was_not_durable_is_not_here_and_stays) {
    reopen();
    ASSERT_OK(replace_file(layer_ + "/boot", as_bytes("another boot")));
    EXPECT_FALSE(check().value());
    EXPECT_TRUE(read_file(store::index_path(layer_), 1'000'000));
}

TEST_F(LayerCheckTest, says_which_file_is_damaged) {
    flip(store::disk_path(layer_), 2'000'000);
    EXPECT_TRUE(check().value());
    const auto bytes = check(CheckDepth::every_byte);
    ASSERT_FALSE(bytes);
    EXPECT_EQ(bytes.error().code, std::errc::bad_message);
    EXPECT_NE(bytes.error().message.find(layer_ + "/disk"), std::string::npos);

    ASSERT_OK(replace_file(store::disk_path(layer_), as_bytes("short")));
    const auto size = check();
    ASSERT_FALSE(size);
    EXPECT_NE(size.error().message.find("5 bytes, where its index says"), std::string::npos)
        << size.error().message;
}

TEST_F(LayerCheckTest, an_index_has_to_be_that_of_the_layer) {
    const LayerPointer other = test::Making{*store_}.file("small", "other").finish();
    const auto index = read_file(store::index_path(root() + "/layers/" + other->id().hex()), 9999);
    ASSERT_OK(replace_file(store::index_path(layer_), as_bytes(*index)));
    EXPECT_EQ(check().error().code, std::errc::bad_message);
    ASSERT_OK(replace_file(store::index_path(layer_), as_bytes("no index")));
    EXPECT_EQ(check().error().code, std::errc::bad_message);
}

}  // namespace
}  // namespace lazybuild::layers
