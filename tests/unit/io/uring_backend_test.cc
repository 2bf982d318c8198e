// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/uring_backend.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "snapshotter/io/operations.h"
#include "snapshotter/io/when_all.h"
#include "tests/support/reactor.h"

namespace lazybuild::io {
namespace {

Task<Result<int>> receive_one(Reactor& reactor, int fd) {
    Bytes buffer(1);
    co_await or_return(co_await recv(reactor, fd, buffer));
    co_return static_cast<int>(buffer[0]);
}
Task<Result<int>> send_one_each(Reactor& reactor, const std::vector<SocketPair>& pairs) {
    for (std::size_t index = 0; index < pairs.size(); ++index) {
        const Bytes byte(1, static_cast<std::byte>(index));
        co_await or_return(co_await send_all(reactor, pairs[index].far.get(), byte));
    }
    co_return 0;
}
TEST(UringBackend, takes_more_requests_at_once_than_its_queue_has_entries) {
    const auto reactor = make_reactor();
    const std::vector<SocketPair> pairs(400);
    std::vector<Task<Result<int>>> tasks;
    for (int round = 0; round < 3; ++round) {
        tasks.push_back(send_one_each(*reactor, pairs));
        for (const SocketPair& pair : pairs) {
            tasks.push_back(receive_one(*reactor, pair.near.get()));
        }
    }
    const std::vector<Result<int>> results =
        reactor->block_on(when_all(*reactor, std::move(tasks)));
    for (std::size_t index = 0; index < pairs.size(); ++index) {
        EXPECT_EQ(results[index + 1].value(), static_cast<int>(index % 256));
    }
}

Task<Result<void>> until_cancelled(Reactor& reactor, int fd, Wait wait) {
    Bytes buffer(1);
    const Result<std::size_t> result = co_await recv(reactor, fd, buffer, wait);
    EXPECT_EQ(result.error().code, std::errc::operation_canceled);
    co_return {};
}
Task<Result<void>> cancel_at_once(CancelSource source) {
    source.cancel();
    co_return {};
}
TEST(UringBackend, cancels_requests_of_which_many_are_still_in_the_backlog) {
    const auto reactor = make_reactor();
    const SocketPair pair;
    const CancelSource source;
    std::vector<Task<Result<void>>> tasks;
    for (int index = 0; index < 2000; ++index) {
        tasks.push_back(until_cancelled(*reactor, pair.near.get(), Wait{.cancel = source.token()}));
    }
    tasks.push_back(cancel_at_once(source));
    EXPECT_EQ(reactor->block_on(when_all(*reactor, std::move(tasks))).size(), 2001U);
}

/// From now on, io_uring_setup(2) fails with `error_number` in this process.
void forbid_io_uring(unsigned error_number) {
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error_number),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program{.len = 4, .filter = filter};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        std::perror("seccomp");
        std::_Exit(1);
    }
}
void report_forbidden(unsigned error_number) {
    forbid_io_uring(error_number);
    const Result<std::unique_ptr<Reactor>> reactor = Reactor::create();
    std::fprintf(stderr, "%s\n", reactor.has_value() ? "made" : reactor.error().message.c_str());
    std::_Exit(reactor.has_value() ? 1 : 0);
}
TEST(UringBackendDeathTest, says_what_forbids_io_uring) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(report_forbidden(EPERM), testing::ExitedWithCode(0),
                "io_uring_setup: Operation not permitted.*kernel.io_uring_disabled.*seccomp");
    EXPECT_EXIT(report_forbidden(ENOSYS), testing::ExitedWithCode(0),
                "io_uring_setup: Function not implemented.*Linux 5.11");
}

}  // namespace
}  // namespace lazybuild::io
