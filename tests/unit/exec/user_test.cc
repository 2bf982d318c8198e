// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/user.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/support/temp_dir.h"
#include "tests/unit/exec/fake_store.h"

namespace lazybuild::exec {
namespace {

class FindUser : public ::testing::Test {
  protected:
    void SetUp() override {
        std::filesystem::create_directory(directory_ / "etc");
        directory_.write("etc/passwd",
                         "# people\nroot:x:0:0::/root:/bin/sh\nbroken\nann:x:1000:1001::/:\n"
                         "700:x:800:900::/:\n");
        directory_.write("etc/group",
                         "root:x:0:\nann:x:1001:ann\nwheel:x:10:bob,ann\nnone:x:11:annabel\n");
    }
    std::string find(const std::string& text) {
        test::DirectorySource files{directory_.path()};
        const auto user = find_user(text, files);
        if (!user) {
            return user.error().message;
        }
        std::string shown = std::to_string(user->uid) + ":" + std::to_string(user->gid);
        for (const std::uint32_t group : user->groups) {
            shown += " " + std::to_string(group);
        }
        return shown;
    }
    lazybuild::test::TempDir directory_;
};

TEST_F(FindUser, is_root_when_nobody_is_named) {
    EXPECT_EQ(find(""), "0:0 0");
    EXPECT_EQ(find("0"), "0:0 0");
}

TEST_F(FindUser, finds_names_with_their_groups) {
    EXPECT_EQ(find("ann"), "1000:1001 1001 10");
    EXPECT_EQ(find("1000"), "1000:1001 1001 10");
}

TEST_F(FindUser, takes_the_group_that_is_named_and_no_other) {
    EXPECT_EQ(find("ann:wheel"), "1000:10 10");
    EXPECT_EQ(find("ann:5"), "1000:5 5");
    EXPECT_EQ(find("3:4"), "3:4 4");
    EXPECT_EQ(find("3:none"), "3:11 11");
}

TEST_F(FindUser, gives_numbers_without_an_entry_group_0) {
    EXPECT_EQ(find("4242"), "4242:0 0");
}

TEST_F(FindUser, prefers_a_line_that_comes_first) {
    EXPECT_EQ(find("700"), "800:900 900");
}

TEST_F(FindUser, names_what_is_not_there) {
    EXPECT_EQ(find("bob"), "unable to find user bob: no matching entries in passwd file");
    EXPECT_EQ(find("ann:bob"), "unable to find group bob: no matching entries in group file");
    EXPECT_NE(find("-1").find("unable to find user"), std::string::npos);
    EXPECT_NE(find("4294967295").find("unable to find user"), std::string::npos);
}

TEST_F(FindUser, follows_links_inside_the_image_only_and_waits_for_no_fifo) {
    std::filesystem::remove(directory_ / "etc/passwd");
    std::filesystem::create_symlink("/../../../../../../etc/passwd", directory_ / "etc/passwd");
    EXPECT_NE(find("root:0"), "0:0 0");
    std::filesystem::remove(directory_ / "etc/passwd");
    ASSERT_EQ(::mkfifo((directory_ / "etc/passwd").c_str(), 0600), 0);
    EXPECT_NE(find("root:0"), "0:0 0");
}

TEST_F(FindUser, reads_no_file_without_end) {
    std::filesystem::resize_file(directory_ / "etc/passwd", kUserFileBytesMax + 1);
    EXPECT_NE(find("ann").find("/etc/passwd"), std::string::npos);
}

}  // namespace
}  // namespace lazybuild::exec
