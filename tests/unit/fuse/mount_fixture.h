// SPDX-License-Identifier: Apache-2.0
// For tests that mount: a private mount namespace, a directory on a real file system, and a clean
// end whatever happens.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <ranges>
#include <string>

#include "base/fd.h"
#include "base/file.h"
#include "codec/erofs_writer.h"
#include "codec/file_tree.h"
#include "fuse/mounts.h"
#include "tests/unit/codec/erofs_trees.h"

namespace lazybuild::fuse::test {

/// `what` is the Result of something that has to work.
#define ASSERT_OK(what)                                                \
    do {                                                               \
        const auto& asserted = (what);                                 \
        ASSERT_TRUE(asserted.has_value()) << asserted.error().message; \
    } while (false)

#define EXPECT_OK(what)                                                      \
    do {                                                                     \
        const auto& expected_ok = (what);                                    \
        EXPECT_TRUE(expected_ok.has_value()) << expected_ok.error().message; \
    } while (false)

class MountTest : public ::testing::Test {
  protected:
    /// Kept out of the system's mount table: a test that is killed leaves nothing there.
    static bool enter_private_namespace() {
        static const bool entered =
            ::unshare(CLONE_NEWNS) == 0 &&
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
        return entered;
    }

    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root to mount";
        }
        if (!enter_private_namespace()) {
            GTEST_SKIP() << "needs CAP_SYS_ADMIN to mount";
        }
        // /tmp may be a tmpfs, from which EROFS images cannot be mounted.
        std::string path = "/var/tmp/lazybuild-mount-XXXXXX";
        ASSERT_NE(::mkdtemp(path.data()), nullptr);
        directory_ = path;
    }

    void TearDown() override {
        if (directory_.empty()) {
            return;
        }
        auto mounts = mounts_under(directory_);
        ASSERT_OK(mounts);
        for (const MountEntry& mount : *mounts | std::views::reverse) {
            EXPECT_TRUE(unmount(mount.target, UnmountMode::detach));
        }
        EXPECT_TRUE(remove_tree(directory_));
    }

    std::string path(const std::string& name) const { return directory_ + "/" + name; }

    std::string make_directory(const std::string& name) const {
        EXPECT_TRUE(make_directories(path(name)));
        return path(name);
    }

    /// Writes the metadata image of `tree`.
    std::string write_image(const codec::FileTree& tree, const std::string& name = "image",
                            const codec::ErofsOptions& options = {}) const {
        Result<Fd> file = open_file(path(name), O_CREAT | O_TRUNC | O_RDWR);
        EXPECT_TRUE(file);
        FdSink sink{file->get()};
        Result<void> written = codec::write_erofs(tree, options, sink);
        EXPECT_TRUE(written) << written.error().message;
        return path(name);
    }

    /// Writes a disk with the test payloads of all of `tree`'s files.
    std::string write_disk(const codec::FileTree& tree, const std::string& name = "disk") const {
        Result<Fd> file = open_file(path(name), O_CREAT | O_TRUNC | O_RDWR);
        EXPECT_TRUE(file);
        EXPECT_EQ(::ftruncate(file->get(), static_cast<off_t>(tree.disk_size_bytes)), 0);
        for (codec::NodeId id = 0; id < tree.nodes.size(); ++id) {
            const codec::Node& node = tree.nodes[id];
            if (node.type == codec::FileType::regular) {
                EXPECT_TRUE(pwrite_all(file->get(), codec::test::payload(id, 0, node.size_bytes),
                                       node.disk_offset_bytes));
            }
        }
        return path(name);
    }

    /// Whether this kernel mounts EROFS in this way. Tests that need it skip otherwise.
    bool erofs_works(ErofsBacking backing = ErofsBacking::file) const {
        codec::test::TreeMaker maker;
        maker.file("file", 1);
        const codec::FileTree tree = maker.finish();
        auto mounted = mount_erofs({.image_path = write_image(tree, "probe-image"),
                                    .device_path = write_disk(tree, "probe-disk"),
                                    .target = make_directory("probe"),
                                    .backing = backing});
        return mounted && unmount(path("probe"), UnmountMode::now);
    }

    std::string directory_;
};

}  // namespace lazybuild::fuse::test
