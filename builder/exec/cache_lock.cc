// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/cache_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <thread>

#include "base/file.h"

namespace lazybuild::exec {
namespace {

constexpr auto kLockPoll = std::chrono::milliseconds{50};

}  // namespace

Result<bool> try_lock(int fd, int how) {
    while (::flock(fd, how | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            return false;
        }
        if (errno != EINTR) {
            return fail(errno_error("lock a cache mount"));
        }
    }
    return true;
}

Result<void> wait_for_lock(int fd, int how, const io::CancelToken& cancel,
                           std::optional<std::chrono::seconds> patience) {
    const auto begin = std::chrono::steady_clock::now();
    for (;;) {
        TRY(const bool locked, try_lock(fd, how));
        if (locked) {
            return {};
        }
        if (cancel.cancelled()) {
            return fail(Error{std::errc::operation_canceled, "cancelled"});
        }
        if (patience && std::chrono::steady_clock::now() - begin > *patience) {
            return fail(Error{std::errc::timed_out, "somebody else uses it"});
        }
        std::this_thread::sleep_for(kLockPoll);
    }
}

bool is_there(int fd) {
    struct stat status{};
    return ::fstat(fd, &status) == 0 && status.st_nlink > 0;
}

Result<Fd> lock_making(const std::string& directory, const io::CancelToken& cancel) {
    TRY(Fd maker, open_file(directory + "/making", O_RDWR | O_CREAT, 0600));
    CHECK_OK(wait_for_lock(maker.get(), LOCK_EX, cancel));
    return maker;
}

}  // namespace lazybuild::exec
