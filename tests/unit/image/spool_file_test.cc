// SPDX-License-Identifier: Apache-2.0
#include "builder/image/spool_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temp_dir.h"

namespace lazybuild::image {
namespace {

TEST(SpoolFile, appears_only_when_it_is_published) {
    const test::TempDir directory;
    const std::string path = directory / "blob";
    {
        auto dropped = SpoolFile::create(directory.path());
        ASSERT_TRUE(dropped) << dropped.error().message;
        ASSERT_TRUE(write_all(dropped->fd(), as_bytes("half")));
    }
    EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
    auto file = SpoolFile::create(directory.path());
    ASSERT_TRUE(write_all(file->fd(), as_bytes("whole")));
    ASSERT_TRUE(file->publish(path));
    EXPECT_EQ(directory.read("blob"), "whole");
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0644U);
    auto second = SpoolFile::create(directory.path());
    EXPECT_TRUE(second->publish(path)) << "a name that exists is for the same content";
    EXPECT_EQ(directory.read("blob"), "whole");
}

TEST(SpoolFile, names_a_directory_that_is_not_there) {
    const auto file = SpoolFile::create("/no/such/directory");
    ASSERT_FALSE(file);
    EXPECT_NE(file.error().message.find("/no/such/directory"), std::string::npos);
}

}  // namespace
}  // namespace lazybuild::image
