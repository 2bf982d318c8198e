// SPDX-License-Identifier: Apache-2.0
// The kernel reads what codec/erofs_writer wrote: every attribute of every node is compared.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "codec/file_tree.h"
#include "fuse/mounts.h"
#include "tests/unit/codec/erofs_trees.h"
#include "tests/unit/fuse/mount_fixture.h"

namespace lazybuild::fuse {
namespace {

using codec::FileTree;
using codec::FileType;
using codec::Node;
using codec::NodeId;
using codec::test::TreeMaker;

unsigned type_bits(FileType type) {
    switch (type) {
        case FileType::regular: return S_IFREG;
        case FileType::directory: return S_IFDIR;
        case FileType::symlink: return S_IFLNK;
        case FileType::character: return S_IFCHR;
        case FileType::block: return S_IFBLK;
        case FileType::fifo: return S_IFIFO;
    }
    return 0;
}

std::map<std::string, std::string> xattrs_of(const std::string& path) {
    std::map<std::string, std::string> xattrs;
    std::string names(1 << 17, '\0');
    const ssize_t names_bytes = ::llistxattr(path.c_str(), names.data(), names.size());
    EXPECT_GE(names_bytes, 0) << path;
    for (std::size_t at = 0; at < static_cast<std::size_t>(std::max<ssize_t>(names_bytes, 0));) {
        const std::string name = names.c_str() + at;
        at += name.size() + 1;
        std::string value(1 << 17, '\0');
        const ssize_t value_bytes =
            ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
        EXPECT_GE(value_bytes, 0) << path << " " << name;
        value.resize(static_cast<std::size_t>(std::max<ssize_t>(value_bytes, 0)));
        xattrs[name] = value;
    }
    return xattrs;
}

std::set<std::string> names_in(const std::string& path) {
    std::set<std::string> names;
    std::unique_ptr<DIR, decltype(&::closedir)> directory{::opendir(path.c_str()), &::closedir};
    EXPECT_NE(directory, nullptr) << path;
    while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
        EXPECT_TRUE(names.insert(entry->d_name).second) << path << "/" << entry->d_name;
    }
    return names;
}

class ErofsMountTest : public test::MountTest {
  protected:
    void SetUp() override {
        MountTest::SetUp();
        if (!IsSkipped() && !HasFatalFailure() && !erofs_works()) {
            GTEST_SKIP() << "this kernel does not mount EROFS images that are files (Linux 6.12)";
        }
    }

    std::string mount_tree(const FileTree& tree, const codec::ErofsOptions& options = {}) {
        auto mounted = mount_erofs({.image_path = write_image(tree, "image", options),
                                    .device_path = write_disk(tree),
                                    .target = make_directory("mounted")});
        EXPECT_TRUE(mounted) << mounted.error().message;
        return path("mounted");
    }

    void expect_equal(const FileTree& tree, NodeId id, const std::string& path);
    void expect_equal_tree(const FileTree& tree, const std::string& top);

    std::map<NodeId, ino_t> inodes_;
};

void ErofsMountTest::expect_equal(const FileTree& tree, NodeId id, const std::string& path) {
    const Node& node = tree.nodes[id];
    struct stat status{};
    ASSERT_EQ(::lstat(path.c_str(), &status), 0) << path;
    EXPECT_EQ(status.st_mode, type_bits(node.type) | node.mode) << path;
    EXPECT_EQ(status.st_uid, node.uid) << path;
    EXPECT_EQ(status.st_gid, node.gid) << path;
    EXPECT_EQ(status.st_nlink, node.link_count) << path;
    EXPECT_EQ(status.st_mtim.tv_sec, node.mtime_s) << path;
    EXPECT_EQ(status.st_mtim.tv_nsec, 0) << path;
    if (node.type == FileType::character || node.type == FileType::block) {
        EXPECT_EQ(gnu_dev_major(status.st_rdev), node.device_major) << path;
        EXPECT_EQ(gnu_dev_minor(status.st_rdev), node.device_minor) << path;
    }
    EXPECT_EQ(inodes_.try_emplace(id, status.st_ino).first->second, status.st_ino) << path;
    if (node.type == FileType::symlink) {
        std::string target(PATH_MAX, '\0');
        const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
        EXPECT_EQ(target.substr(0, static_cast<std::size_t>(size)), node.link_target) << path;
        EXPECT_EQ(static_cast<std::size_t>(status.st_size), node.link_target.size());
    }
    if (node.type == FileType::regular) {
        ASSERT_EQ(static_cast<std::uint64_t>(status.st_size), node.size_bytes) << path;
        const auto content = read_file(path, node.size_bytes);
        ASSERT_OK(content);
        EXPECT_TRUE(
            std::ranges::equal(as_bytes(*content), codec::test::payload(id, 0, node.size_bytes)))
            << path;
    }
    std::map<std::string, std::string> xattrs;
    for (const codec::Xattr& xattr : node.xattrs) {
        xattrs[xattr.name] = xattr.value;
    }
    if (node.opaque) {
        xattrs["trusted.overlay.opaque"] = "y";
    }
    EXPECT_EQ(xattrs_of(path), xattrs) << path;
}

void ErofsMountTest::expect_equal_tree(const FileTree& tree, const std::string& top) {
    std::vector<std::pair<NodeId, std::string>> waiting{{codec::kRootNode, top}};
    while (!waiting.empty()) {
        const auto [id, path] = std::move(waiting.back());
        waiting.pop_back();
        expect_equal(tree, id, path);
        if (tree.nodes[id].type != FileType::directory) {
            continue;
        }
        std::set<std::string> names{".", ".."};
        for (const codec::DirectoryEntry& entry : tree.nodes[id].entries) {
            names.insert(entry.name);
            waiting.emplace_back(entry.node, path + "/" + entry.name);
        }
        EXPECT_EQ(names_in(path), names) << path;
    }
}

TEST_F(ErofsMountTest, shows_everything_as_it_is_in_the_tree) {
    const FileTree tree = codec::test::everything_tree();
    expect_equal_tree(tree, mount_tree(tree));
}

TEST_F(ErofsMountTest, shows_a_root_with_nothing_in_it) {
    const FileTree tree = TreeMaker{}.finish();
    expect_equal_tree(tree, mount_tree(tree));
}

TEST_F(ErofsMountTest, finds_every_name_of_100000) {
    const FileTree tree = codec::test::wide_tree(100'000);
    const std::string top = mount_tree(tree);
    const std::vector<codec::DirectoryEntry>& entries = tree.nodes[1].entries;
    EXPECT_EQ(names_in(top + "/wide").size(), entries.size() + 2);
    std::size_t found = 0;
    for (const codec::DirectoryEntry& entry : entries) {
        found += ::access((top + "/wide/" + entry.name).c_str(), F_OK) == 0 ? 1U : 0U;
    }
    EXPECT_EQ(found, entries.size());
    EXPECT_NE(::access((top + "/wide/f").c_str(), F_OK), 0);
}

TEST_F(ErofsMountTest, finds_names_at_every_place_in_directories_of_every_size) {
    for (std::size_t count : {1U, 2U, 60U, 120U, 121U, 122U, 123U, 250U, 500U, 501U}) {
        const FileTree tree = codec::test::wide_tree(count);
        const std::string top = mount_tree(tree);
        for (const codec::DirectoryEntry& entry : tree.nodes[1].entries) {
            EXPECT_EQ(::access((top + "/wide/" + entry.name).c_str(), F_OK), 0)
                << entry.name << " of " << count;
        }
        ASSERT_OK(unmount(top, UnmountMode::now));
    }
}

TEST_F(ErofsMountTest, goes_down_3000_directories) {
    constexpr int kDepth = 3000;
    const FileTree tree = codec::test::deep_tree(kDepth);
    Result<Fd> here = open_file(mount_tree(tree), O_RDONLY | O_DIRECTORY);
    ASSERT_OK(here);
    for (int depth = 0; depth < kDepth; ++depth) {
        Fd next{::openat(here->get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        ASSERT_TRUE(next) << depth;
        *here = std::move(next);
    }
    struct stat status{};
    EXPECT_EQ(::fstatat(here->get(), "d", &status, AT_SYMLINK_NOFOLLOW), 0);
    EXPECT_TRUE(S_ISREG(status.st_mode));
}

TEST_F(ErofsMountTest, reads_far_inside_large_files) {
    constexpr std::uint64_t kLargeBytes = (std::uint64_t{5} << 30) + 3;
    TreeMaker maker;
    const NodeId before = maker.file("before", 100);
    const NodeId large = maker.file("large", kLargeBytes);
    const NodeId after = maker.file("z-after", 100);
    FileTree tree = maker.finish();
    const std::string image = write_image(tree);
    tree.nodes[large].size_bytes = 0;  // its payload stays a hole, but for the end
    const std::string disk = write_disk(tree);
    Result<Fd> disk_file = open_file(disk, O_RDWR);
    ASSERT_OK(disk_file);
    ASSERT_OK(pwrite_all(disk_file->get(), as_bytes("end"),
                         tree.nodes[large].disk_offset_bytes + kLargeBytes - 3));
    const std::string top = make_directory("mounted");
    ASSERT_OK(mount_erofs({.image_path = image, .device_path = disk, .target = top}));

    Result<Fd> file = open_file(top + "/large", O_RDONLY);
    ASSERT_OK(file);
    Bytes end(10);
    const auto size = pread_full(file->get(), end, kLargeBytes - 5);
    ASSERT_OK(size);
    EXPECT_EQ(as_text(ByteView{end}.first(*size)), (std::string_view{"\0\0end", 5}));
    expect_equal(tree, before, top + "/before");
    expect_equal(tree, after, top + "/z-after");
}

TEST_F(ErofsMountTest, marks_opaque_directories_for_user_xattrs) {
    TreeMaker maker;
    maker.node(maker.directory("opaque")).opaque = true;
    const std::string top = mount_tree(maker.finish(), {.user_xattrs = true});
    const std::map<std::string, std::string> expected{{"user.overlay.opaque", "y"}};
    EXPECT_EQ(xattrs_of(top + "/opaque"), expected);
}

TEST_F(ErofsMountTest, whiteouts_and_opaque_directories_hide_what_is_below) {
    TreeMaker lower;
    lower.directory("hidden");
    lower.file("hidden/file", 1);
    lower.file("gone", 1);
    lower.file("kept", 1);
    const FileTree lower_tree = lower.finish();
    TreeMaker upper;
    upper.node(upper.directory("hidden")).opaque = true;
    upper.add("gone", {.type = FileType::character, .mode = 0});
    const FileTree upper_tree = upper.finish();
    ASSERT_OK(mount_erofs({.image_path = write_image(lower_tree, "lower-image"),
                           .device_path = write_disk(lower_tree, "lower-disk"),
                           .target = make_directory("lower")}));
    ASSERT_OK(mount_erofs({.image_path = write_image(upper_tree, "upper-image"),
                           .device_path = write_disk(upper_tree, "upper-disk"),
                           .target = make_directory("upper")}));
    ASSERT_OK(mount_overlay({.lowers = {path("upper"), path("lower")},
                             .upper = make_directory("rw"),
                             .work = make_directory("work"),
                             .target = make_directory("merged")}));
    EXPECT_EQ(names_in(path("merged")), (std::set<std::string>{".", "..", "hidden", "kept"}));
    EXPECT_EQ(names_in(path("merged/hidden")), (std::set<std::string>{".", ".."}));
}

}  // namespace
}  // namespace lazybuild::fuse
