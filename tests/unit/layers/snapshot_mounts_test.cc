// SPDX-License-Identifier: Apache-2.0
// The merged view against the kernel: the same layers, mounted, look the same.
#include "builder/layers/snapshot_mounts.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <climits>
#include <filesystem>
#include <fstream>
#include <map>

#include "fuse/host_support.h"
#include "fuse/mounts.h"
#include "tests/unit/layers/store_fixture.h"

namespace lazybuild::layers {
namespace {

using test::FileType;
using test::Making;

class SnapshotMountsTest : public test::StoreTest {
  protected:
    void SetUp() override {
        static const bool entered =
            ::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0 &&
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
        if (!entered) {
            GTEST_SKIP() << "needs root to mount";
        }
        if (const auto backing = fuse::choose_erofs_backing("/var/tmp", std::nullopt); !backing) {
            GTEST_SKIP() << backing.error().message;
        }
        StoreTest::SetUp();
    }
    std::string make_directory(const std::string& name) {
        std::string path = *store_->build_directory() + "/" + name;
        EXPECT_TRUE(make_directories(path));
        return path;
    }
    std::string mounted(const Snapshot& snapshot, const std::string& name = "target") {
        std::string target = make_directory(name);
        const auto done = store_->mount(snapshot, {.target = target, .upper = {}, .work = {}});
        EXPECT_TRUE(done) << done.error().message;
        return target;
    }

    static std::string describe(const FileInfo& file) {
        std::string text = fmt::format("type {} mode {:o} owner {}:{} mtime {} device {}:{}",
                                       std::to_underlying(file.type), file.mode, file.uid, file.gid,
                                       file.mtime_s, file.device_major, file.device_minor);
        if (file.type == FileType::regular) {
            text += fmt::format(" size {}", file.size_bytes);
        }
        for (const codec::Xattr& xattr : file.xattrs) {
            text += fmt::format(" {}={}", xattr.name, xattr.value);
        }
        return text + " " + file.link_target;
    }

    using Files = std::map<std::string, std::string>;  ///< by path: all that is said of it
    static void walk(FileSource& source, const std::string& path, Files& files) {
        const auto file = source.look(path);
        ASSERT_OK(file);
        ASSERT_TRUE(*file) << path;
        std::string& text = files[path] = describe(**file);
        if ((*file)->type == FileType::regular) {
            const auto bytes = source.open(path);
            ASSERT_OK(bytes);
            text += " content " + test::read_all(**bytes);
        }
        if ((*file)->type == FileType::directory) {
            const auto names = source.list(path);
            ASSERT_OK(names);
            for (const std::string& name : *names) {
                walk(source, path.empty() ? name : path + "/" + name, files);
            }
        }
    }

    static FileType type_of(const struct stat& status) {
        switch (status.st_mode & S_IFMT) {
            case S_IFDIR: return FileType::directory;
            case S_IFLNK: return FileType::symlink;
            case S_IFCHR: return FileType::character;
            case S_IFBLK: return FileType::block;
            case S_IFIFO: return FileType::fifo;
            default: return FileType::regular;
        }
    }
    static void walk_mount(const std::string& top, const std::string& path, Files& files) {
        const std::string place = top + "/" + path;
        struct stat status{};
        ASSERT_EQ(::lstat(place.c_str(), &status), 0) << place;
        FileInfo file{.type = type_of(status),
                      .mode = status.st_mode & 07777,
                      .uid = status.st_uid,
                      .gid = status.st_gid,
                      .mtime_s = status.st_mtim.tv_sec,
                      .size_bytes = static_cast<std::uint64_t>(status.st_size),
                      .device_major = gnu_dev_major(status.st_rdev),
                      .device_minor = gnu_dev_minor(status.st_rdev)};
        if (file.type == FileType::symlink) {
            file.link_target = std::filesystem::read_symlink(place).string();
        }
        char value[100];
        if (const auto size = ::lgetxattr(place.c_str(), "user.note", value, sizeof value);
            size >= 0) {
            file.xattrs = {
                {.name = "user.note", .value = std::string(value, static_cast<std::size_t>(size))}};
        }
        std::string& text = files[path] = describe(file);
        if (file.type == FileType::regular) {
            text += " content " + read_file(place, 1 << 20).value_or("unreadable");
        }
        if (file.type == FileType::directory) {
            for (const auto& entry : std::filesystem::directory_iterator{place}) {
                const std::string name = entry.path().filename();
                // In a directory that one layer has alone, the kernel lists whiteouts, which then
                // are not there.
                struct stat listed{};
                if (::lstat(entry.path().c_str(), &listed) != 0 && errno == ENOENT) {
                    continue;
                }
                walk_mount(top, path.empty() ? name : path + "/" + name, files);
            }
        }
    }
    void expect_same(const Snapshot& snapshot) {
        const std::string target = mounted(snapshot);
        Files seen;
        walk_mount(target, "", seen);
        Files viewed;
        walk(*store_->view(snapshot), "", viewed);
        EXPECT_EQ(viewed, seen);
        ASSERT_OK(store_->unmount(target));
    }
};

TEST_F(SnapshotMountsTest, show_what_the_view_shows) {
    const LayerPointer bottom =
        Making{*store_}
            .directory("etc", 0755)
            .file("etc/passwd", "root:x:0:0", 0600)
            .file("etc/gone", "x")
            .directory("var/lib/old", 0700, 7)
            .file("var/lib/old/file", "old")
            .file("becomes-directory", "x")
            .directory("becomes-file")
            .file("becomes-file/in", "x")
            .symlink("lib", "usr/lib")
            .directory("srv", 01777, 12)
            .add({.type = FileType::character,
                  .path = "null",
                  .mode = 0666,
                  .device_major = 1,
                  .device_minor = 3})
            .add({.type = FileType::fifo, .path = "pipe", .mode = 0600})
            .add({.path = "noted", .mode = 0644, .xattrs = {{.name = "user.note", .value = "one"}}},
                 "noted")
            .finish();
    const LayerPointer middle = Making{*store_}
                                    .directory("etc", 0711)
                                    .file("etc/.wh.gone", "")
                                    .directory("var/lib", 0755)
                                    .directory("var/lib/old", 0755)
                                    .file("var/lib/old/.wh..wh..opq", "")
                                    .file("var/lib/old/new", "new")
                                    .directory("becomes-directory", 0700)
                                    .file("becomes-directory/in", "y")
                                    .file("becomes-file", "y")
                                    .hardlink("second-name", "becomes-file")
                                    .finish();
    // Directories without entries, which have what they have below.
    const LayerPointer top = Making{*store_}
                                 .file("srv/www/page", "page")
                                 .file("becomes-directory/more", "z")
                                 .file("new/.wh.nothing", "")
                                 .file("new/file", "")
                                 .finish();
    expect_same({{bottom}});
    expect_same({{bottom, middle}});
    expect_same({{bottom, middle, top}});
    expect_same({{bottom, top, middle}});
    expect_same({{middle, top}});
    expect_same({{}});
}

TEST_F(SnapshotMountsTest, do_not_hide_by_an_opaque_root) {
    const LayerPointer bottom = Making{*store_}.file("low", "x").finish();
    const LayerPointer top = Making{*store_}.file(".wh..wh..opq", "").file("high", "y").finish();
    expect_same({{bottom, top}});
}

TEST_F(SnapshotMountsTest, carry_out_the_whiteouts_of_a_first_layer) {
    const LayerPointer layer =
        Making{*store_}.directory("d").file("d/.wh.x", "").file("d/y", "y").finish();
    expect_same({{layer}});
    const std::string target = mounted({{layer}});
    EXPECT_NE(::access((target + "/d/x").c_str(), F_OK), 0);
}

TEST_F(SnapshotMountsTest, take_what_is_written_and_keep_the_layers) {
    const LayerPointer layer = Making{*store_}.file("f", "below").finish();
    const SnapshotMount where{.target = make_directory("target"),
                              .upper = make_directory("upper"),
                              .work = make_directory("work")};
    ASSERT_OK(store_->mount({{layer}}, where));
    std::ofstream{where.target + "/f"} << "changed";
    std::ofstream{where.target + "/new"} << "new";
    EXPECT_EQ(read_file(where.upper + "/f", 100).value_or(""), "changed");
    EXPECT_EQ(read_file(where.upper + "/new", 100).value_or(""), "new");
    ASSERT_OK(store_->unmount(where.target));
    EXPECT_EQ(read_file(mounted({{layer}}) + "/f", 100).value_or(""), "below");
}

TEST_F(SnapshotMountsTest, take_the_same_layer_twice) {
    const LayerPointer first = Making{*store_}.file("f", "first").file("low", "x").finish();
    const LayerPointer second = Making{*store_}.file("f", "second").finish();
    const LayerPointer empty = Making{*store_}.finish();
    expect_same({{first, empty, second, empty, first}});
    expect_same({{first, first, second}});
}

TEST_F(SnapshotMountsTest, hold_hundreds_of_layers) {
    Snapshot snapshot;
    for (int i = 0; i < 220; ++i) {
        snapshot.layers.push_back(Making{*store_}
                                      .file(fmt::format("f{}", i), "x")
                                      .file("last", std::to_string(i))
                                      .finish());
    }
    const std::string target = mounted(snapshot);
    EXPECT_EQ(read_file(target + "/last", 100).value_or(""), "219");
    EXPECT_EQ(::access((target + "/f0").c_str(), F_OK), 0);
    snapshot.layers.resize(110);
    EXPECT_EQ(read_file(mounted(snapshot, "second") + "/last", 100).value_or(""), "109");
    for (int i = 0; i < 390; ++i) {
        snapshot.layers.push_back(snapshot.layers.front());
    }
    const auto too_many =
        store_->mount(snapshot, {.target = make_directory("third"), .upper = {}, .work = {}});
    ASSERT_FALSE(too_many);
    EXPECT_NE(too_many.error().message.find("a file system of 500 layers"), std::string::npos);
}

TEST_F(SnapshotMountsTest, go_with_the_build) {
    const LayerPointer layer = Making{*store_}.file("f", "x").finish();
    const std::string target = mounted({{layer}});
    store_.reset();
    EXPECT_TRUE(fuse::mounts_under(directory_.path())->empty());
    EXPECT_NE(::access(target.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace lazybuild::layers
