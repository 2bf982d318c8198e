// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/mount_points.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/unit/fuse/mount_fixture.h"

namespace lazybuild::exec {
namespace {

namespace fs = std::filesystem;
using Kind = MountPoints::Kind;

class Points : public fuse::test::MountTest {
  protected:
    void SetUp() override {
        MountTest::SetUp();
        if (!IsSkipped()) {
            root_ = make_directory("root");
            make_directory("root/there");
            outside_ = make_directory("outside");
        }
    }
    static timespec time_of(const std::string& file) {
        struct stat status{};
        EXPECT_EQ(::lstat(file.c_str(), &status), 0) << file;
        return status.st_mtim;
    }
    std::string root_, outside_;
};

TEST_F(Points, makes_what_is_missing_and_remembers_it) {
    auto points = MountPoints::open(root_);
    ASSERT_OK(points);
    ASSERT_OK(points->make("there", Kind::directory));
    ASSERT_OK(points->make("there/a/b", Kind::directory));
    ASSERT_OK(points->make("there/f", Kind::file));
    ASSERT_OK(points->make_lasting("work/dir"));
    EXPECT_EQ(points->made(), (std::set<std::string>{"there/a", "there/a/b", "there/f"}));
    EXPECT_TRUE(fs::is_directory(root_ + "/there/a/b"));
    EXPECT_TRUE(fs::is_regular_file(root_ + "/there/f"));
    EXPECT_TRUE(fs::is_directory(root_ + "/work/dir"));
}

TEST_F(Points, leaves_the_times_of_directories_alone) {
    const timespec before = time_of(root_ + "/there");
    auto points = MountPoints::open(root_);
    ASSERT_OK(points->make("there/new", Kind::directory));
    const timespec after = time_of(root_ + "/there");
    EXPECT_EQ(before.tv_sec, after.tv_sec);
    EXPECT_EQ(before.tv_nsec, after.tv_nsec);
}

TEST_F(Points, follows_no_link_and_no_file) {
    fs::create_directory_symlink(outside_, root_ + "/out");
    fs::create_symlink(outside_ + "/made", root_ + "/dangling");
    ASSERT_TRUE(replace_file(root_ + "/file", {}));
    auto points = MountPoints::open(root_);
    for (const char* target : {"out/x", "file/x", "../x"}) {
        EXPECT_FALSE(points->make(target, Kind::directory)) << target;
    }
    for (const char* target : {"dangling/x", "dangling", "out"}) {
        EXPECT_FALSE(points->make(target, Kind::file)) << target;
    }
    EXPECT_TRUE(fs::is_empty(outside_));
    EXPECT_TRUE(points->made().empty());
}

TEST_F(Points, opens_inside_a_tree_whatever_its_links_say) {
    ASSERT_TRUE(replace_file(root_ + "/there/f", as_bytes("in")));
    fs::create_symlink("/there/f", root_ + "/absolute");
    fs::create_symlink("../../../../there/f", root_ + "/there/up");
    fs::create_symlink("/proc/self/fd/0", root_ + "/magic");
    for (const char* name : {"absolute", "there/up", "there/f"}) {
        EXPECT_OK(open_inside(root_, name));
    }
    EXPECT_FALSE(open_inside(root_, "magic"));
    EXPECT_OK(open_inside(root_, ""));
}

TEST_F(Points, mounts_a_descriptor_whatever_becomes_of_its_name) {
    ASSERT_TRUE(replace_file(root_ + "/there/f", as_bytes("right")));
    const auto fd = open_inside(root_, "there");
    ASSERT_OK(fd);
    fs::rename(root_ + "/there", root_ + "/moved");
    fs::create_directory_symlink(outside_, root_ + "/there");
    const std::string target = make_directory("target");
    ASSERT_OK(mount_fd(fd->get(), target, {.read_only = true}));
    EXPECT_EQ(read_file(target + "/f", 100).value_or(""), "right");
    EXPECT_FALSE(replace_file(target + "/new", {}));
}

}  // namespace
}  // namespace lazybuild::exec
