// SPDX-License-Identifier: Apache-2.0
// The server under the real kernel: plain reads of the disks.
#include "fuse/disk_server.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/fuse/mount_fixture.h"
#include "tests/unit/fuse/test_disks.h"

namespace lazybuild::fuse {
namespace {

using test::HeldReads;
using test::TestDisks;

constexpr std::uint64_t kDiskBytes = 5 << 20;

class DiskServerTest : public test::MountTest {
  protected:
    void SetUp() override {
        MountTest::SetUp();
        if (!IsSkipped() && ::access("/dev/fuse", R_OK | W_OK) != 0) {
            GTEST_SKIP() << "needs /dev/fuse";
        }
    }

    void TearDown() override {
        server_.reset();
        MountTest::TearDown();
    }

    void start(DiskServerOptions options = {}) {
        auto server = DiskServer::mount(path("disks"), disks_, options);
        ASSERT_OK(server);
        server_ = *std::move(server);
    }

    /// What pread says about one range of a disk: bytes, or an errno.
    static Result<Bytes> read_disk(const std::string& path, std::uint64_t offset_bytes,
                                   std::size_t size_bytes) {
        TRY(Fd file, open_file(path, O_RDONLY));
        Bytes bytes(size_bytes);
        TRY(const std::size_t count, pread_full(file.get(), bytes, offset_bytes));
        bytes.resize(count);
        return bytes;
    }
    Result<Bytes> read_disk(DiskNumber disk, std::uint64_t offset_bytes, std::size_t size_bytes) {
        return read_disk(server_->disk_path(disk), offset_bytes, size_bytes);
    }

    static void expect_content(const Result<Bytes>& bytes, DiskNumber disk,
                               std::uint64_t offset_bytes, std::size_t size_bytes) {
        ASSERT_OK(bytes);
        ASSERT_EQ(bytes->size(), size_bytes);
        for (std::size_t i = 0; i < size_bytes; ++i) {
            ASSERT_EQ((*bytes)[i], TestDisks::expected_byte(disk, offset_bytes + i)) << i;
        }
    }

    TestDisks disks_;
    std::unique_ptr<DiskServer> server_;
};

TEST_F(DiskServerTest, shows_disks_as_files_for_root_alone) {
    disks_.add(3, kDiskBytes);
    start();
    struct stat status{};
    ASSERT_EQ(::stat(server_->disk_path(3).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode, std::uint32_t{S_IFREG | 0400});
    EXPECT_EQ(static_cast<std::uint64_t>(status.st_size), kDiskBytes);
    ASSERT_EQ(::stat(path("disks").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode, std::uint32_t{S_IFDIR | 0700});
    EXPECT_EQ(::open(server_->disk_path(3).c_str(), O_RDWR | O_CLOEXEC), -1);
    EXPECT_EQ(errno, EROFS);
    EXPECT_EQ(::access(server_->disk_path(4).c_str(), F_OK), -1);
    EXPECT_EQ(errno, ENOENT);

    const pid_t child = ::fork();
    if (child == 0) {
        constexpr uid_t kNobody = 65534;
        const bool dropped = ::setresuid(kNobody, kNobody, kNobody) == 0;
        const bool denied = ::open(server_->disk_path(3).c_str(), O_RDONLY | O_CLOEXEC) < 0;
        ::_exit(dropped && denied && errno == EACCES ? 0 : 1);
    }
    int child_status = 0;
    ASSERT_EQ(::waitpid(child, &child_status, 0), child);
    EXPECT_EQ(child_status, 0);
}

TEST_F(DiskServerTest, lists_every_disk) {
    std::set<std::string> expected{".", ".."};
    for (DiskNumber disk = 1; disk <= 2000; ++disk) {
        disks_.add(disk, 4096);
        expected.insert(std::to_string(disk));
    }
    start();
    std::set<std::string> names;
    std::unique_ptr<DIR, decltype(&::closedir)> directory{::opendir(path("disks").c_str()),
                                                          &::closedir};
    ASSERT_NE(directory, nullptr);
    while (const dirent* entry = ::readdir(directory.get())) {
        EXPECT_TRUE(names.insert(entry->d_name).second);
    }
    EXPECT_EQ(names, expected);
}

TEST_F(DiskServerTest, reads_any_range) {
    disks_.add(1, kDiskBytes);
    start();
    expect_content(read_disk(1, 0, kDiskBytes), 1, 0, kDiskBytes);
    expect_content(read_disk(1, 1, 1), 1, 1, 1);
    expect_content(read_disk(1, 4095, 100'000), 1, 4095, 100'000);
    expect_content(read_disk(1, kDiskBytes - 10, 4096), 1, kDiskBytes - 10, 10);
    expect_content(read_disk(1, kDiskBytes + 10, 4096), 1, 0, 0);
}

TEST_F(DiskServerTest, shows_disks_that_come_later_and_not_those_that_went) {
    start();
    EXPECT_FALSE(read_disk(9, 0, 1));
    disks_.add(9, 4096);
    expect_content(read_disk(9, 0, 4096), 9, 0, 4096);
    disks_.remove(9);
    const auto gone = read_disk(9, 0, 1);
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, std::errc::no_such_file_or_directory);
}

TEST_F(DiskServerTest, passes_errors_on_and_remembers_none) {
    disks_.add(1, kDiskBytes);
    start();
    for (int error_number : {EIO, ENOENT, ETIMEDOUT}) {
        disks_.set_behaviour(1, [&](const test::AskedRead&, ReadReply reply,
                                    const TestDisks::Content&) { reply.error(error_number); });
        const auto failed = read_disk(1, 0, 4096);
        ASSERT_FALSE(failed);
        EXPECT_EQ(static_cast<int>(failed.error().code), error_number);
        disks_.set_behaviour(1, {});
        expect_content(read_disk(1, 0, 4096), 1, 0, 4096);
    }
}

TEST_F(DiskServerTest, answers_eio_for_a_backend_that_forgets_to) {
    disks_.add(1, kDiskBytes);
    start();
    disks_.set_behaviour(1, [](const test::AskedRead&, ReadReply, const TestDisks::Content&) {});
    const auto failed = read_disk(1, 0, 4096);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, std::errc::io_error);
}

TEST_F(DiskServerTest, answers_out_of_order_from_other_threads) {
    disks_.add(1, kDiskBytes);
    start({.threads = 1});
    HeldReads held;
    disks_.set_behaviour(1, held.behaviour());
    std::vector<std::future<Result<Bytes>>> readers;
    for (std::uint64_t i = 0; i < 50; ++i) {
        readers.push_back(
            std::async(std::launch::async, [&, i] { return read_disk(1, i * 10'000, 9'999); }));
    }
    held.wait_for(50);  // one thread took them all
    std::thread{[&] { held.release(); }}.join();
    for (std::uint64_t i = 0; i < readers.size(); ++i) {
        expect_content(readers[i].get(), 1, i * 10'000, 9'999);
    }
}

TEST_F(DiskServerTest, stops_while_reads_wait) {
    disks_.add(1, kDiskBytes);
    start();
    HeldReads held;
    disks_.set_behaviour(1, held.behaviour());
    std::vector<std::future<Result<Bytes>>> readers;
    for (int i = 0; i < 20; ++i) {
        readers.push_back(std::async(std::launch::async, [&, file = server_->disk_path(1)] {
            return read_disk(file, 0, 4096);
        }));
    }
    held.wait_for(20);
    server_.reset();
    for (auto& reader : readers) {
        EXPECT_FALSE(reader.get());
    }
    held.release();  // answers to nobody
    const auto mounts = mounts_under(path("disks"));
    ASSERT_OK(mounts);
    EXPECT_TRUE(mounts->empty());
}

TEST_F(DiskServerTest, stops_while_answers_are_on_their_way) {
    disks_.add(1, kDiskBytes);
    for (int round = 0; round < 20; ++round) {
        start();
        HeldReads held;
        disks_.set_behaviour(1, held.behaviour());
        std::vector<std::future<Result<Bytes>>> readers;
        for (int i = 0; i < 5; ++i) {
            readers.push_back(std::async(std::launch::async, [&, file = server_->disk_path(1)] {
                return read_disk(file, 0, 65'536);
            }));
        }
        held.wait_for(5);
        std::thread answers{[&] { held.release(); }};
        server_.reset();
        answers.join();
        for (auto& reader : readers) {
            const auto bytes = reader.get();
            EXPECT_TRUE(!bytes || bytes->size() == 65'536U);
        }
    }
}

TEST_F(DiskServerTest, takes_away_what_a_killed_server_left) {
    disks_.add(1, kDiskBytes);
    const pid_t child = ::fork();
    if (child == 0) {
        auto server = DiskServer::mount(path("disks"), disks_);
        ::_exit(server ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    ASSERT_EQ(::access(path("disks/1").c_str(), F_OK), -1);
    ASSERT_EQ(errno, ENOTCONN);
    start();
    expect_content(read_disk(1, 0, 100), 1, 0, 100);
    const auto mounts = mounts_under(path("disks"));
    ASSERT_OK(mounts);
    EXPECT_EQ(mounts->size(), 1U);
}

TEST_F(DiskServerTest, mounts_below_symbolic_links) {
    make_directory("real");
    ASSERT_EQ(::symlink("real", path("link").c_str()), 0);
    disks_.add(1, kDiskBytes);
    auto server = DiskServer::mount(path("link/a/disks/"), disks_);
    ASSERT_OK(server);
    EXPECT_EQ((*server)->disk_path(1), path("real/a/disks/1"));
    expect_content(read_disk((*server)->disk_path(1), 0, 100), 1, 0, 100);
}

TEST_F(DiskServerTest, says_why_it_cannot_mount) {
    ASSERT_OK(replace_file(path("file"), {}));
    const auto server = DiskServer::mount(path("file/disks"), disks_);
    ASSERT_FALSE(server);
    EXPECT_TRUE(server.error().message.contains(path("file"))) << server.error().message;
}

}  // namespace
}  // namespace lazybuild::fuse
