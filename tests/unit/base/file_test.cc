// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace lazybuild {
namespace {

using test::TempDir;

TEST(File, opening_names_the_path_that_failed) {
    const TempDir directory;
    const auto file = open_file(directory / "missing", O_RDONLY);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, std::errc::no_such_file_or_directory);
    EXPECT_NE(file.error().message.find(directory / "missing"), std::string::npos);
}

TEST(File, descriptors_do_not_leak_into_programs) {
    const TempDir directory;
    auto file = open_file(directory / "file", O_WRONLY | O_CREAT);
    ASSERT_TRUE(file);
    EXPECT_NE(::fcntl(file->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(File, reading_stops_at_the_limit) {
    const TempDir directory;
    directory.write("file", "0123456789");
    EXPECT_EQ(read_file(directory / "file", 10), "0123456789");
    const auto refused = read_file(directory / "file", 9);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, std::errc::argument_out_of_domain);
}

TEST(File, replacing_leaves_the_new_content_and_nothing_beside_it) {
    const TempDir directory;
    directory.write("file", "a longer old content");
    ASSERT_TRUE(replace_file(directory / "file", as_bytes("new"), 0600));
    EXPECT_EQ(directory.read("file"), "new");
    struct stat status{};
    ASSERT_EQ(::stat((directory / "file").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600U);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator{directory.path()}, {}), 1);
}

TEST(File, a_failed_replacement_leaves_the_old_content_and_nothing_beside_it) {
    const TempDir directory;
    directory.run("mkdir -p target/inner");
    EXPECT_FALSE(replace_file(directory / "target", as_bytes("new")));
    EXPECT_TRUE(std::filesystem::is_directory(directory / "target/inner"));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator{directory.path()}, {}), 1);
}

TEST(File, directories_are_made_with_their_parents_and_once_is_enough) {
    const TempDir directory;
    ASSERT_TRUE(make_directories(directory / "a/b/c"));
    ASSERT_TRUE(make_directories(directory / "a/b/c"));
    EXPECT_TRUE(std::filesystem::is_directory(directory / "a/b/c"));
}

TEST(File, a_file_in_the_way_of_a_directory_is_an_error) {
    const TempDir directory;
    directory.write("file", "");
    EXPECT_EQ(make_directories(directory / "file").error().code, std::errc::not_a_directory);
    EXPECT_EQ(make_directories(directory / "file/below").error().code, std::errc::not_a_directory);
}

TEST(File, removing_a_tree_does_not_follow_links) {
    const TempDir directory;
    directory.run(
        "mkdir -p kept tree/deep && touch kept/file tree/deep/file && "
        "ln -s ../kept tree/link");
    ASSERT_TRUE(remove_tree(directory / "tree"));
    EXPECT_FALSE(std::filesystem::exists(directory / "tree"));
    EXPECT_TRUE(std::filesystem::exists(directory / "kept/file"));
}

TEST(File, removes_trees_that_are_deeper_than_paths_are_long) {
    const TempDir directory;
    const std::string top = directory / "tree";
    ASSERT_TRUE(make_directories(top));
    auto here = open_file(top, O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 1000; ++i) {
        ASSERT_TRUE(here);
        ASSERT_EQ(::mkdirat(here->get(), "deep", 0755), 0);
        ASSERT_EQ(::mkdirat(here->get(), "deep-1", 0755), 0);
        here = Fd{::openat(here->get(), "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    }
    const auto removed = remove_tree(top);
    EXPECT_TRUE(removed) << removed.error().message;
    EXPECT_FALSE(std::filesystem::exists(top));
}

TEST(File, removes_a_single_file_and_follows_no_link) {
    const TempDir directory;
    directory.write("kept", "x");
    directory.run("ln -s kept link && mkdir tree && ln -s ../kept tree/link && ln -s . tree/dot");
    EXPECT_TRUE(remove_tree(directory / "link"));
    EXPECT_TRUE(remove_tree(directory / "tree"));
    EXPECT_EQ(directory.read("kept"), "x");
    EXPECT_TRUE(remove_tree(directory / "kept"));
    EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(File, removing_what_is_not_there_is_fine) {
    const TempDir directory;
    EXPECT_TRUE(remove_tree(directory / "missing"));
}

TEST(File, temporary_files_have_no_name) {
    const TempDir directory;
    auto file = open_temporary(directory.path());
    ASSERT_TRUE(file);
    EXPECT_TRUE(write_all(file->get(), as_bytes("x")));
    EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(File, syncing_takes_directories_only) {
    const TempDir directory;
    directory.write("file", "");
    EXPECT_TRUE(sync_directory(directory.path()));
    EXPECT_FALSE(sync_directory(directory / "file"));
}

}  // namespace
}  // namespace lazybuild
