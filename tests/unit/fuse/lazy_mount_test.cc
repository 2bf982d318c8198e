// SPDX-License-Identifier: Apache-2.0
// The whole data path: files of an EROFS mount, read through the kernel from a disk that a
// DiskServer serves.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "fuse/disk_server.h"
#include "tests/unit/codec/erofs_trees.h"
#include "tests/unit/fuse/mount_fixture.h"
#include "tests/unit/fuse/test_disks.h"

namespace lazybuild::fuse {
namespace {

using codec::FileTree;
using codec::NodeId;
using codec::test::TreeMaker;
using test::HeldReads;
using test::TestDisks;

/// The disk that belongs to a tree: every file's payload at its offset, zeros between.
TestDisks::Content content_of(const FileTree& tree) {
    struct Run {
        NodeId node;
        std::uint64_t size_bytes;
    };
    std::map<std::uint64_t, Run> runs;
    for (NodeId id = 0; id < tree.nodes.size(); ++id) {
        const codec::Node& node = tree.nodes[id];
        if (node.type == codec::FileType::regular && node.size_bytes > 0) {
            runs[node.disk_offset_bytes] = {.node = id, .size_bytes = node.size_bytes};
        }
    }
    return [runs](std::uint64_t offset_bytes, std::uint32_t size_bytes) {
        Bytes bytes(size_bytes);
        auto run = std::prev(runs.upper_bound(offset_bytes));
        for (; run != runs.end() && run->first < offset_bytes + size_bytes; ++run) {
            const auto& [start, file] = *run;
            const std::uint64_t begin = std::max(start, offset_bytes);
            const std::uint64_t end = std::min(start + file.size_bytes, offset_bytes + size_bytes);
            for (std::uint64_t at = begin; at < end; ++at) {
                bytes[at - offset_bytes] = codec::test::payload_byte(file.node, at - start);
            }
        }
        return bytes;
    };
}

/// Over the files themselves, and over loop devices.
class LazyMountTest : public test::MountTest, public ::testing::WithParamInterface<ErofsBacking> {
  protected:
    void SetUp() override {
        MountTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) {
            return;
        }
        if (::access("/dev/fuse", R_OK | W_OK) != 0) {
            GTEST_SKIP() << "needs /dev/fuse";
        }
        if (!erofs_works(GetParam())) {
            GTEST_SKIP() << "this kernel does not mount EROFS images in this way";
        }
        auto server = DiskServer::mount(path("disks"), disks_);
        ASSERT_OK(server);
        server_ = *std::move(server);
    }

    void TearDown() override {
        server_.reset();
        MountTest::TearDown();
    }

    /// Mounts `tree` over disk `disk`; returns where.
    std::string mount_layer(DiskNumber disk, const FileTree& tree) {
        const std::string name = "layer" + std::to_string(disk);
        disks_.add(disk, tree.disk_size_bytes, content_of(tree));
        auto mounted = mount_erofs({.image_path = write_image(tree, name + "-image"),
                                    .device_path = server_->disk_path(disk),
                                    .target = make_directory(name),
                                    .backing = GetParam()});
        EXPECT_TRUE(mounted) << mounted.error().message;
        return path(name);
    }

    /// One file of `size_bytes`, as node 1 of its tree.
    std::string mount_file(DiskNumber disk, std::uint64_t size_bytes) {
        TreeMaker maker;
        maker.file("file", size_bytes);
        return mount_layer(disk, maker.finish()) + "/file";
    }

    TestDisks disks_;
    std::unique_ptr<DiskServer> server_;
};

Result<Bytes> read_range(const std::string& path, std::uint64_t offset_bytes,
                         std::size_t size_bytes) {
    TRY(Fd file, open_file(path, O_RDONLY));
    Bytes bytes(size_bytes);
    TRY(const std::size_t count, pread_full(file.get(), bytes, offset_bytes));
    bytes.resize(count);
    return bytes;
}

std::future<Result<Bytes>> read_elsewhere(const std::string& path, std::uint64_t offset_bytes,
                                          std::size_t size_bytes) {
    return std::async(std::launch::async,
                      [=] { return read_range(path, offset_bytes, size_bytes); });
}

TEST_P(LazyMountTest, shows_every_byte_to_several_readers) {
    const FileTree tree = codec::test::everything_tree();
    const std::string top = mount_layer(1, tree);
    const codec::Node& bin = tree.nodes[1];
    ASSERT_EQ(bin.type, codec::FileType::directory);
    std::atomic<std::size_t> equal = 0;
    std::vector<std::thread> readers;
    for (int i = 0; i < 4; ++i) {
        readers.emplace_back([&] {
            for (const codec::DirectoryEntry& entry : bin.entries) {
                const std::uint64_t size_bytes = tree.nodes[entry.node].size_bytes;
                const auto bytes = read_range(top + "/bin/" + entry.name, 0, size_bytes + 1);
                equal += bytes && *bytes == codec::test::payload(entry.node, 0, size_bytes) ? 1 : 0;
            }
        });
    }
    for (std::thread& reader : readers) {
        reader.join();
    }
    EXPECT_EQ(equal, 4 * bin.entries.size());
}

TEST_P(LazyMountTest, mounts_without_reading_and_reads_once) {
    const std::string file = mount_file(1, 1 << 20);
    EXPECT_TRUE(disks_.asked().empty());
    ASSERT_OK(read_range(file, 0, 1 << 20));
    const std::size_t asked = disks_.asked().size();
    EXPECT_GT(asked, 0U);
    ASSERT_OK(read_range(file, 0, 1 << 20));
    EXPECT_EQ(disks_.asked().size(), asked);
}

TEST_P(LazyMountTest, reads_ahead_in_requests_of_a_mebibyte) {
    constexpr std::uint64_t kFileBytes = 64 << 20;
    const std::string path = mount_file(1, kFileBytes);
    Result<Fd> file = open_file(path, O_RDONLY);
    ASSERT_OK(file);
    Bytes buffer(128 << 10);
    for (std::uint64_t at = 0; at < kFileBytes; at += buffer.size()) {
        ASSERT_EQ(pread_full(file->get(), buffer, at), buffer.size());
    }
    std::map<std::uint32_t, int> sizes;
    for (const test::AskedRead& read : disks_.asked()) {
        ++sizes[read.size_bytes];
    }
    std::string listed;
    for (const auto& [size_bytes, count] : sizes) {
        listed += std::to_string(count) + " x " + std::to_string(size_bytes >> 10) + " KiB, ";
    }
    RecordProperty("request_sizes", listed);
    EXPECT_EQ(sizes.rbegin()->first, kReadBytesMax) << listed;
    EXPECT_LE(disks_.asked().size(), 2 * kFileBytes / kReadBytesMax) << listed;
}

// As kernels from 6.12 to 6.14 mount it.
TEST_P(LazyMountTest, reads_without_the_option_directio) {
    if (GetParam() != ErofsBacking::file) {
        GTEST_SKIP() << "loop devices know no such option";
    }
    const FileTree tree = codec::test::everything_tree();
    disks_.add(1, tree.disk_size_bytes, content_of(tree));
    const std::string options = "device=" + server_->disk_path(1);
    ASSERT_EQ(::mount(write_image(tree).c_str(), make_directory("plain").c_str(), "erofs",
                      MS_RDONLY, options.c_str()),
              0);
    for (const codec::DirectoryEntry& entry : tree.nodes[1].entries) {
        const std::uint64_t size_bytes = tree.nodes[entry.node].size_bytes;
        const auto bytes = read_range(path("plain/bin/" + entry.name), 0, size_bytes + 1);
        ASSERT_OK(bytes);
        EXPECT_EQ(*bytes, codec::test::payload(entry.node, 0, size_bytes)) << entry.name;
    }
}

TEST_P(LazyMountTest, gives_errors_to_the_reader_and_keeps_none) {
    const std::string file = mount_file(1, 1 << 20);
    disks_.set_behaviour(1, [](const test::AskedRead&, ReadReply reply, const TestDisks::Content&) {
        reply.error(EIO);
    });
    for (int i = 0; i < 3; ++i) {
        const auto failed = read_range(file, 0, 4096);
        ASSERT_FALSE(failed);
        EXPECT_EQ(failed.error().code, std::errc::io_error);
    }
    disks_.set_behaviour(1, {});
    const auto bytes = read_range(file, 0, 1 << 20);
    ASSERT_OK(bytes);
    EXPECT_EQ(*bytes, codec::test::payload(1, 0, 1 << 20));
}

TEST_P(LazyMountTest, a_failed_part_does_not_spoil_the_rest) {
    constexpr std::uint64_t kFileBytes = 8 << 20;
    constexpr std::uint64_t kBadBytes = 5 << 20;
    const std::string file = mount_file(1, kFileBytes);
    disks_.set_behaviour(
        1, [](const test::AskedRead& read, ReadReply reply, const TestDisks::Content& content) {
            if (read.offset_bytes <= kBadBytes && kBadBytes < read.offset_bytes + read.size_bytes) {
                return reply.error(EIO);
            }
            reply.data(content(read.offset_bytes, read.size_bytes));
        });
    EXPECT_FALSE(read_range(file, 0, kFileBytes));
    const auto bytes = read_range(file, 0, 4 << 20);
    ASSERT_OK(bytes);
    EXPECT_EQ(*bytes, codec::test::payload(1, 0, 4 << 20));
}

TEST_P(LazyMountTest, waits_for_answers_from_other_threads) {
    const std::string file = mount_file(1, 4 << 20);
    HeldReads held;
    disks_.set_behaviour(1, held.behaviour());
    auto reader = read_elsewhere(file, 0, 100);
    held.wait_for(1);
    EXPECT_EQ(reader.wait_for(std::chrono::seconds{0}), std::future_status::timeout);
    disks_.set_behaviour(1, {});
    std::thread{[&] { held.release(); }}.join();
    const auto bytes = reader.get();
    ASSERT_OK(bytes);
    EXPECT_EQ(*bytes, codec::test::payload(1, 0, 100));
}

TEST_P(LazyMountTest, maps_files_into_memory) {
    constexpr std::size_t kFileBytes = 100'000;
    Result<Fd> file = open_file(mount_file(1, kFileBytes), O_RDONLY);
    ASSERT_OK(file);
    void* address = ::mmap(nullptr, kFileBytes, PROT_READ, MAP_PRIVATE, file->get(), 0);
    ASSERT_NE(address, MAP_FAILED);
    const ByteView mapped{static_cast<const std::byte*>(address), kFileBytes};
    EXPECT_TRUE(std::ranges::equal(mapped, codec::test::payload(1, 0, kFileBytes)));
    ::munmap(address, kFileBytes);
}

TEST_P(LazyMountTest, a_disk_that_does_not_answer_leaves_the_others_alone) {
    // A loop device takes 128 requests at a time.
    const std::size_t readers_max = GetParam() == ErofsBacking::file ? 200 : 100;
    TreeMaker maker;
    for (std::size_t i = 0; i < readers_max; ++i) {
        maker.file("file" + std::to_string(i), 1 << 20);
    }
    const std::string stuck = mount_layer(1, maker.finish());
    const std::string file = mount_file(2, 4 << 20);
    HeldReads held;
    disks_.set_behaviour(1, held.behaviour());
    std::vector<std::future<Result<Bytes>>> readers;
    for (std::size_t i = 0; i < readers_max; ++i) {
        readers.push_back(read_elsewhere(stuck + "/file" + std::to_string(i), 0, 1 << 20));
    }
    held.wait_for(readers_max);
    // Every thread of the server would be taken, were a read to keep one.
    const auto bytes = read_range(file, 0, 4 << 20);
    ASSERT_OK(bytes);
    EXPECT_EQ(*bytes, codec::test::payload(1, 0, 4 << 20));
    disks_.set_behaviour(1, {});
    held.release();
    for (auto& reader : readers) {
        EXPECT_TRUE(reader.get());
    }
}

TEST_P(LazyMountTest, stops_with_reads_in_flight_and_fails_reads_from_then_on) {
    const std::string file = mount_file(1, 4 << 20);
    ASSERT_OK(read_range(file, 0, 4096));
    HeldReads held;
    disks_.set_behaviour(1, held.behaviour());
    auto reader = read_elsewhere(file, 3 << 20, 4096);
    held.wait_for(1);
    server_.reset();
    const auto failed = reader.get();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, std::errc::io_error);
    EXPECT_FALSE(read_range(file, 2 << 20, 4096));
    held.drop();
}

TEST_P(LazyMountTest, a_disk_that_has_gone_fails_reads) {
    const std::string file = mount_file(1, 4 << 20);
    disks_.remove(1);
    EXPECT_FALSE(read_range(file, 0, 4096));
}

TEST_P(LazyMountTest, a_complete_disk_is_mounted_without_the_server) {
    TreeMaker maker;
    maker.file("file", 1 << 20);
    const FileTree tree = maker.finish();
    ASSERT_OK(mount_erofs({.image_path = write_image(tree),
                           .device_path = write_disk(tree),
                           .target = make_directory("local"),
                           .backing = GetParam()}));
    server_.reset();
    const auto bytes = read_range(path("local/file"), 0, 1 << 20);
    ASSERT_OK(bytes);
    EXPECT_EQ(*bytes, codec::test::payload(1, 0, 1 << 20));
}

TEST_P(LazyMountTest, a_layer_without_a_byte_is_mounted) {
    TreeMaker maker;
    maker.directory("empty");
    EXPECT_EQ(::access((mount_layer(1, maker.finish()) + "/empty").c_str(), F_OK), 0);
}

INSTANTIATE_TEST_SUITE_P(Backing, LazyMountTest,
                         ::testing::Values(ErofsBacking::file, ErofsBacking::loop),
                         [](const auto& tested) {
                             return tested.param == ErofsBacking::file ? "file" : "loop";
                         });

}  // namespace
}  // namespace lazybuild::fuse
