// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/disk_usage.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::service {
namespace {

class DiskUsage : public ::testing::Test {
  protected:
    test::TempDir directory_;
    const std::string path_ = directory_.path();
};

TEST_F(DiskUsage, counts_blocks_and_inodes_and_links_once) {
    ASSERT_TRUE(make_directories(path_ + "/a/b").has_value());
    ASSERT_TRUE(replace_file(path_ + "/a/file", as_bytes(std::string(50'000, 'x'))).has_value());
    ASSERT_EQ(::link((path_ + "/a/file").c_str(), (path_ + "/a/b/link").c_str()), 0);
    ASSERT_EQ(::symlink("/nowhere", (path_ + "/a/symlink").c_str()), 0);
    std::uint64_t expected = 0;
    for (const char* name : {"", "/a", "/a/b", "/a/file", "/a/symlink"}) {
        struct stat status{};
        ASSERT_EQ(::lstat((path_ + name).c_str(), &status), 0);
        expected += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
    const store::Usage usage = disk_usage(path_).value();
    EXPECT_EQ(usage.inodes, 5u);
    EXPECT_EQ(usage.size_bytes, expected);
}

TEST_F(DiskUsage, counts_holes_as_nothing) {
    const std::string file = path_ + "/sparse";
    ASSERT_TRUE(replace_file(file, {}).has_value());
    ASSERT_EQ(::truncate(file.c_str(), 1 << 30), 0);
    EXPECT_LT(disk_usage(path_)->size_bytes, 1u << 20);
}

TEST_F(DiskUsage, of_a_missing_directory_is_an_error) {
    EXPECT_FALSE(disk_usage(path_ + "/nothing").has_value());
}

}  // namespace
}  // namespace lazybuild::service
