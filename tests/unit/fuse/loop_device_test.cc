// SPDX-License-Identifier: Apache-2.0
#include "fuse/loop_device.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "base/file.h"
#include "fuse/mounts.h"
#include "tests/unit/codec/erofs_trees.h"
#include "tests/unit/fuse/mount_fixture.h"

namespace lazybuild::fuse {
namespace {

class LoopDeviceTest : public test::MountTest {
  protected:
    /// What is attached to a device of this name: empty when nothing is.
    static std::string backing_of(const std::string& device) {
        const std::string name = device.substr(device.rfind('/') + 1);
        const auto text = read_file("/sys/block/" + name + "/loop/backing_file", 4096);
        return text ? text->substr(0, text->find('\n')) : "";
    }
    /// The kernel lets go of a device a moment after its last user.
    static bool becomes_free(const std::string& device, const std::string& file) {
        for (int i = 0; i < 500 && backing_of(device) == file; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
        }
        return backing_of(device) != file;
    }
};

TEST_F(LoopDeviceTest, shows_the_file_and_goes_with_its_last_user) {
    const std::string file = path("file");
    const Bytes content = codec::test::payload(1, 0, 64 << 10);
    ASSERT_OK(replace_file(file, content));
    std::string device;
    {
        const auto loop = LoopDevice::attach(file);
        ASSERT_OK(loop);
        device = loop->path();
        EXPECT_EQ(backing_of(device), file);
        const auto opened = open_file(device, O_RDONLY);
        ASSERT_OK(opened);
        Bytes read(content.size() + 1);
        const auto count = pread_full(opened->get(), read, 0);
        ASSERT_OK(count);
        EXPECT_EQ(*count, content.size());
        read.resize(content.size());
        EXPECT_EQ(read, content);
        const auto writer = open_file(device, O_WRONLY);
        EXPECT_TRUE(!writer || !pwrite_all(writer->get(), content, 0)) << "it is read-only";
    }
    EXPECT_TRUE(becomes_free(device, file));
}

TEST_F(LoopDeviceTest, goes_when_what_is_mounted_on_it_is_unmounted) {
    codec::test::TreeMaker maker;
    maker.file("file", 10'000);
    const codec::FileTree tree = maker.finish();
    const std::string image = write_image(tree);
    const std::string target = make_directory("target");
    ASSERT_OK(mount_erofs({.image_path = image,
                           .device_path = write_disk(tree),
                           .target = target,
                           .backing = ErofsBacking::loop}));
    const auto mounts = mounts_under(target);
    ASSERT_OK(mounts);
    ASSERT_EQ(mounts->size(), 1U);
    const std::string device = mounts->front().source;
    EXPECT_EQ(backing_of(device), image);
    ASSERT_OK(unmount(target, UnmountMode::now));
    EXPECT_TRUE(becomes_free(device, image));
}

TEST_F(LoopDeviceTest, what_cannot_be_attached_is_named) {
    const auto loop = LoopDevice::attach(path("absent"));
    ASSERT_FALSE(loop);
    EXPECT_TRUE(loop.error().message.contains("absent"));
}

}  // namespace
}  // namespace lazybuild::fuse
