// SPDX-License-Identifier: Apache-2.0
#include "fuse/mounts.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "fuse/host_support.h"
#include "tests/unit/fuse/mount_fixture.h"

namespace lazybuild::fuse {
namespace {

class MountsTest : public test::MountTest {
  protected:
    std::vector<std::string> targets_under(const std::string& prefix) {
        std::vector<std::string> targets;
        auto mounts = mounts_under(prefix);
        EXPECT_TRUE(mounts);
        for (const MountEntry& mount : *mounts) {
            targets.push_back(mount.target);
        }
        return targets;
    }

    std::string mount_tmpfs(const std::string& name) {
        const std::string target = make_directory(name);
        EXPECT_EQ(::mount("a source", target.c_str(), "tmpfs", 0, "size=64k"), 0);
        return target;
    }
};

TEST_F(MountsTest, lists_what_is_at_and_below_a_path) {
    const std::string top = mount_tmpfs("top");
    const std::string below = mount_tmpfs("top/with space");
    mount_tmpfs("top-neighbour");
    EXPECT_EQ(targets_under(top), (std::vector{top, below}));
    EXPECT_EQ(targets_under(top + "/"), (std::vector{top, below}));
    EXPECT_EQ(targets_under(below), std::vector{below});
    EXPECT_TRUE(targets_under(path("nothing")).empty());
    EXPECT_TRUE(targets_under(path("no/such/parent")).empty());
    EXPECT_GT(targets_under("/").size(), 3U);
}

TEST_F(MountsTest, tells_what_a_mount_is) {
    const std::string top = mount_tmpfs("top");
    auto mounts = mounts_under(top);
    ASSERT_OK(mounts);
    ASSERT_EQ(mounts->size(), 1U);
    EXPECT_EQ(mounts->front().type, "tmpfs");
    EXPECT_EQ(mounts->front().source, "a source");
    EXPECT_TRUE(mounts->front().options.contains("size=64k")) << mounts->front().options;
    EXPECT_NE(mounts->front().device_minor, 0U);
}

TEST_F(MountsTest, knows_an_image_by_its_mount) {
    if (!erofs_works()) {
        GTEST_SKIP() << "this kernel does not mount EROFS images that are files (Linux 6.12)";
    }
    codec::test::TreeMaker maker;
    maker.file("file", 1);
    const codec::FileTree tree = maker.finish();
    for (const ErofsBacking backing : {ErofsBacking::file, ErofsBacking::loop}) {
        const std::string image = write_image(tree);
        auto mounted = mount_erofs({.image_path = image,
                                    .device_path = write_disk(tree),
                                    .target = make_directory("erofs"),
                                    .backing = backing});
        if (!mounted && backing == ErofsBacking::loop) {
            GTEST_SKIP() << "no loop devices: " << mounted.error().message;
        }
        ASSERT_OK(mounted);
        const auto mounts = mounts_under(path("erofs"));
        ASSERT_OK(mounts);
        ASSERT_EQ(mounts->size(), 1U);
        EXPECT_TRUE(is_erofs_of(mounts->front(), image));
        EXPECT_FALSE(is_erofs_of(mounts->front(), image + "2"));
        EXPECT_FALSE(is_erofs_of(mounts->front(), ""));
        MountEntry other = mounts->front();
        other.type = "overlay";
        EXPECT_FALSE(is_erofs_of(other, image));
        ASSERT_OK(unmount(path("erofs"), UnmountMode::now));
    }
}

TEST_F(MountsTest, finds_mounts_through_symbolic_links) {
    const std::string top = mount_tmpfs("real/top");
    ASSERT_EQ(::symlink("real", path("link").c_str()), 0);
    EXPECT_EQ(targets_under(path("link/top")), std::vector{top});
}

TEST_F(MountsTest, unmounts_what_is_in_use_only_when_detaching) {
    const std::string top = mount_tmpfs("top");
    Result<Fd> in_use = open_file(top, O_RDONLY | O_DIRECTORY);
    ASSERT_OK(in_use);
    const auto busy = unmount(top, UnmountMode::now);
    ASSERT_FALSE(busy);
    EXPECT_EQ(busy.error().code, std::errc::device_or_resource_busy);
    EXPECT_OK(unmount(top, UnmountMode::detach));
    const auto nothing = unmount(top, UnmountMode::now);
    ASSERT_FALSE(nothing);
    EXPECT_EQ(nothing.error().code, std::errc::invalid_argument);
    EXPECT_TRUE(nothing.error().message.contains(top));
}

TEST_F(MountsTest, says_why_an_image_on_tmpfs_does_not_mount) {
    mount_tmpfs("memory");
    const codec::FileTree tree = codec::test::TreeMaker{}.finish();
    const ErofsMount mount{.image_path = write_image(tree, "memory/image"),
                           .device_path = write_disk(tree),
                           .target = make_directory("target")};
    const auto mounted = mount_erofs(mount);
    ASSERT_FALSE(mounted);
    EXPECT_TRUE(mounted.error().message.contains("tmpfs")) << mounted.error().message;
    EXPECT_TRUE(mounted.error().message.contains(mount.image_path));
    EXPECT_TRUE(mounted.error().message.contains(mount.target));
}

TEST_F(MountsTest, refuses_paths_that_mount_options_cannot_say) {
    for (const char* name : {"a,b", "a:b", "a\\b"}) {
        EXPECT_FALSE(mount_erofs({.image_path = "i", .device_path = name, .target = "t"}));
        EXPECT_FALSE(mount_overlay({.lowers = {name}, .upper = {}, .work = {}, .target = "t"}));
        EXPECT_FALSE(mount_overlay({.lowers = {"l"}, .upper = name, .work = "w", .target = "t"}));
    }
}

TEST_F(MountsTest, refuses_overlays_of_more_than_a_page) {
    const std::vector<std::string> lowers(100, std::string(50, 'l'));
    const auto mounted = mount_overlay({.lowers = lowers, .upper = {}, .work = {}, .target = "t"});
    ASSERT_FALSE(mounted);
    EXPECT_EQ(mounted.error().code, std::errc::argument_out_of_domain);
}

TEST_F(MountsTest, writes_through_an_overlay) {
    make_directory("lower/from-below");
    ASSERT_OK(mount_overlay({.lowers = {path("lower")},
                             .upper = make_directory("upper"),
                             .work = make_directory("work"),
                             .target = make_directory("merged")}));
    EXPECT_EQ(::access(path("merged/from-below").c_str(), F_OK), 0);
    EXPECT_OK(replace_file(path("merged/new"), as_bytes("new")));
    EXPECT_EQ(::access(path("upper/new").c_str(), F_OK), 0);
}

TEST(ResolveMountPoint, follows_links_of_the_parent_only) {
    EXPECT_EQ(resolve_mount_point("/proc/../proc/self"), "/proc/self");
    EXPECT_EQ(resolve_mount_point("/x//"), "/x");
    EXPECT_EQ(resolve_mount_point("/"), "/");
    for (const char* path : {"", "/proc/..", "/proc/."}) {
        EXPECT_FALSE(resolve_mount_point(path)) << path;
    }
    const auto missing = resolve_mount_point("/no/such");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, std::errc::no_such_file_or_directory);
}

TEST_F(MountsTest, probing_the_host_leaves_nothing_behind) {
    const std::vector<HostFeature> rows = probe_host(path("state"));
    EXPECT_GE(rows.size(), 8U);
    for (const HostFeature& row : rows) {
        EXPECT_FALSE(row.name.empty());
        EXPECT_TRUE(row.works || !row.detail.empty()) << row.name;
        if (erofs_works() && row.name == "FUSE disks under EROFS") {
            EXPECT_TRUE(row.works) << row.detail;
        }
    }
    EXPECT_TRUE(targets_under(path("state")).empty());
    EXPECT_EQ(::rmdir(path("state").c_str()), 0);
}

TEST(HostSupport, says_what_is_missing_instead_of_failing) {
    const std::vector<HostFeature> rows = probe_host("/proc/no-place-for-state");
    EXPECT_TRUE(std::ranges::any_of(rows, [](const HostFeature& row) {
        return !row.works && row.detail.contains("/proc/no-place-for-state");
    }));
}

}  // namespace
}  // namespace lazybuild::fuse
