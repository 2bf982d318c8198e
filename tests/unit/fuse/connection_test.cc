// SPDX-License-Identifier: Apache-2.0
// One FUSE connection, several servers one after the other, under the real kernel. Each test runs
// on what the kernel sends again and on what the journal alone knows.
#include "fuse/connection.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "fuse/disk_server.h"
#include "keeper/message.h"
#include "tests/unit/fuse/mount_fixture.h"
#include "tests/unit/fuse/test_disks.h"

namespace lazybuild::fuse {
namespace {

using std::chrono::milliseconds;
using test::HeldReads;
using test::TestDisks;

constexpr std::uint64_t kDiskBytes = 5 << 20;
constexpr DiskNumber kDisk = 1;

Result<Bytes> read_disk(const std::string& path, std::uint64_t offset_bytes,
                        std::size_t size_bytes) {
    TRY(Fd file, open_file(path, O_RDONLY));
    Bytes bytes(size_bytes);
    TRY(const std::size_t count, pread_full(file.get(), bytes, offset_bytes));
    bytes.resize(count);
    return bytes;
}

bool is_right(const Result<Bytes>& bytes, std::uint64_t offset_bytes, std::size_t size_bytes) {
    if (!bytes || bytes->size() != size_bytes) {
        return false;
    }
    for (std::size_t i = 0; i < size_bytes; ++i) {
        if ((*bytes)[i] != TestDisks::expected_byte(kDisk, offset_bytes + i)) {
            return false;
        }
    }
    return true;
}

/// Answers each read after a moment, from a thread of its own.
class LateAnswers {
  public:
    LateAnswers() : thread_([this] { answer(); }) {}
    TestDisks::Behaviour behaviour() {
        return [this](const test::AskedRead& read, ReadReply reply,
                      const TestDisks::Content& content) {
            const std::lock_guard lock{mutex_};
            waiting_.push_back({.read = read, .reply = std::move(reply), .content = content});
            changed_.notify_one();
        };
    }

  private:
    struct Waiting {
        test::AskedRead read;
        ReadReply reply;
        TestDisks::Content content;
    };
    void answer() {  // until the process is killed
        while (true) {
            std::unique_lock lock{mutex_};
            changed_.wait(lock, [this] { return !waiting_.empty(); });
            Waiting next = std::move(waiting_.front());
            waiting_.pop_front();
            lock.unlock();
            std::this_thread::sleep_for(milliseconds{1});
            next.reply.data(next.content(next.read.offset_bytes, next.read.size_bytes));
        }
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Waiting> waiting_;
    std::thread thread_;
};

class ConnectionTest : public test::MountTest, public ::testing::WithParamInterface<bool> {
  protected:
    void SetUp() override {
        MountTest::SetUp();
        if (!IsSkipped() && ::access("/dev/fuse", R_OK | W_OK) != 0) {
            GTEST_SKIP() << "needs /dev/fuse";
        }
        disks_.add(kDisk, kDiskBytes);
    }

    DiskServerOptions options() const { return {.resend = GetParam()}; }
    std::string file() const { return path("disks/1"); }

    Result<std::unique_ptr<DiskServer>> take_over(Handover handover) {
        TRY(Predecessor predecessor, Predecessor::examine(path("disks"), std::move(handover)));
        return DiskServer::take_over(path("disks"), disks_, std::move(predecessor), options());
    }

    std::vector<std::future<Result<Bytes>>> start_readers(std::uint64_t count) {
        std::vector<std::future<Result<Bytes>>> readers;
        for (std::uint64_t i = 0; i < count; ++i) {
            readers.push_back(std::async(std::launch::async, [name = file(), i] {
                return read_disk(name, i * 10'000, 9'999);
            }));
        }
        return readers;
    }

    TestDisks disks_;
};

TEST_P(ConnectionTest, a_successor_answers_what_waits) {
    constexpr std::uint64_t kReaders = 50;
    TestDisks silent;
    silent.add(kDisk, kDiskBytes);
    HeldReads held;
    silent.set_behaviour(kDisk, held.behaviour());
    auto first = DiskServer::mount(path("disks"), silent, options());
    ASSERT_OK(first);
    auto readers = start_readers(kReaders);
    held.wait_for(kReaders);
    auto handover = (*first)->duplicate();
    ASSERT_OK(handover);
    (*first)->leave();

    auto second = take_over(*std::move(handover));
    ASSERT_OK(second);
    EXPECT_EQ((*second)->takeover().journalled, kReaders);
    EXPECT_EQ((*second)->takeover().resent, GetParam() ? kReaders : 0);
    for (std::uint64_t i = 0; i < kReaders; ++i) {
        EXPECT_TRUE(is_right(readers[i].get(), i * 10'000, 9'999)) << i;
    }
    held.drop();  // the first server's answers, EIO, go nowhere
    first->reset();
    EXPECT_TRUE(is_right(read_disk(file(), 0, kDiskBytes), 0, kDiskBytes));
    EXPECT_EQ(mounts_under(path("disks"))->size(), 1U);
}

TEST_P(ConnectionTest, readers_wait_while_nobody_serves) {
    auto server = DiskServer::mount(path("disks"), disks_, options());
    ASSERT_OK(server);
    for (int round = 0; round < 5; ++round) {
        auto handover = (*server)->duplicate();
        ASSERT_OK(handover);
        (*server)->leave();
        auto readers = start_readers(10);
        EXPECT_EQ(readers[0].wait_for(milliseconds{20}), std::future_status::timeout);
        server = take_over(*std::move(handover));
        ASSERT_OK(server);
        for (std::uint64_t i = 0; i < readers.size(); ++i) {
            EXPECT_TRUE(is_right(readers[i].get(), i * 10'000, 9'999));
        }
    }
}

TEST_P(ConnectionTest, does_not_go_on_with_what_is_dead_or_another_mount) {
    auto first = DiskServer::mount(path("disks"), disks_, options());
    ASSERT_OK(first);
    auto handover = (*first)->duplicate();
    ASSERT_OK(handover);
    EXPECT_FALSE(Predecessor::examine(path("elsewhere"), (*first)->duplicate().value()));
    Handover wrong = (*first)->duplicate().value();
    wrong.device = Fd{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    EXPECT_FALSE(Predecessor::examine(path("disks"), std::move(wrong)));
    first->reset();  // unmounts
    const auto gone = Predecessor::examine(path("disks"), (*std::move(handover)));
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, std::errc::no_such_device);
}

/// A child that serves the disks until it is killed; its descriptors come back through a socket, as
/// through a keeper. It takes over from `handover`, if there is one.
pid_t fork_server(const std::string& directory, bool resend, const Handover& handover, int socket) {
    const pid_t child = ::fork();
    if (child != 0) {
        return child;
    }
    LateAnswers late;
    TestDisks disks;
    disks.add(kDisk, kDiskBytes);
    disks.set_behaviour(kDisk, late.behaviour());
    const DiskServerOptions options{.resend = resend};
    Result<std::unique_ptr<DiskServer>> server = fail(invalid("not started"));
    if (handover.device) {
        auto predecessor = Predecessor::examine(directory, {.device = Fd{handover.device.get()},
                                                            .journal = Fd{handover.journal.get()}});
        server = predecessor
                     ? DiskServer::take_over(directory, disks, *std::move(predecessor), options)
                     : std::unexpected(predecessor.error());
    } else {
        server = DiskServer::mount(directory, disks, options);
    }
    if (!server) {
        ::_exit(1);
    }
    const auto own = (*server)->duplicate();
    const int numbers[] = {own->device.get(), own->journal.get()};
    const std::string count = std::to_string((*server)->takeover().journalled);
    if (!keeper::send_message(socket,
                              {.kind = keeper::Kind::put, .name = count, .descriptors = numbers})) {
        ::_exit(1);
    }
    ::pause();
    ::_exit(1);
}

/// A child that reads all over the disk until there is a file `stop`; ends with 0 if all was right.
pid_t fork_reader(const std::string& path, unsigned seed, const std::string& stop) {
    const pid_t child = ::fork();
    if (child != 0) {
        return child;
    }
    // The connection must end with its keeper, and not be held by its own readers.
    ::close_range(3, ~0U, 0);
    std::mt19937 random{seed};
    while (::access(stop.c_str(), F_OK) != 0) {
        const std::size_t size = 1 + random() % 300'000;
        const std::uint64_t offset = random() % (kDiskBytes - size);
        if (!is_right(read_disk(path, offset, size), offset, size)) {
            ::_exit(2);
        }
    }
    ::_exit(0);
}

TEST_P(ConnectionTest, no_read_fails_however_often_the_server_is_killed) {
    constexpr int kKills = 30;
    constexpr unsigned kReaders = 6;
    int sockets[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
    Handover handover;
    std::vector<pid_t> readers;
    std::size_t journalled = 0;
    std::mt19937 random{1};
    for (int round = 0; round <= kKills; ++round) {
        const pid_t server = fork_server(path("disks"), GetParam(), handover, sockets[1]);
        auto message = keeper::receive_message(sockets[0]);
        ASSERT_OK(message);
        ASSERT_TRUE(*message && (*message)->descriptors.size() == 2) << "round " << round;
        handover = {.device = std::move((*message)->descriptors[0]),
                    .journal = std::move((*message)->descriptors[1])};
        journalled += std::stoul((*message)->name);
        if (round == 0) {
            for (unsigned seed = 0; seed < kReaders; ++seed) {
                readers.push_back(fork_reader(file(), seed, path("stop")));
            }
        }
        if (round == kKills) {
            ASSERT_OK(replace_file(path("stop"), {}));
            for (const pid_t reader : readers) {
                int status = 0;
                ASSERT_EQ(::waitpid(reader, &status, 0), reader);
                EXPECT_EQ(status, 0);
            }
        }
        std::this_thread::sleep_for(milliseconds{random() % 20});
        ::kill(server, SIGKILL);
        ASSERT_EQ(::waitpid(server, nullptr, 0), server);
    }
    EXPECT_GT(journalled, 0U);
    ::close(sockets[0]);
    ::close(sockets[1]);
}

INSTANTIATE_TEST_SUITE_P(Kernel, ConnectionTest, ::testing::Bool(), [](const auto& instance) {
    return instance.param ? "with_resend" : "with_the_journal_alone";
});

}  // namespace
}  // namespace lazybuild::fuse
