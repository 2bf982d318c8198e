// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/file.h"

namespace lazybuild::layers {
namespace {

constexpr std::chrono::seconds kWaitMax{60};
constexpr std::chrono::milliseconds kPause{5};

}  // namespace

Result<std::optional<FileLock>> FileLock::attempt(Fd file, int operation, const std::string& path) {
    while (::flock(file.get(), operation | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            return std::nullopt;
        }
        if (errno != EINTR) {
            return fail(errno_error("lock " + path));
        }
    }
    return FileLock{std::move(file)};
}

// Not by one call that blocks: nothing would end it if a holder hung.
Result<FileLock> FileLock::wait(const std::string& path, int operation) {
    const auto deadline = std::chrono::steady_clock::now() + kWaitMax;
    while (std::chrono::steady_clock::now() < deadline) {
        TRY(Fd file, open_file(path, O_RDWR | O_CREAT, 0600));
        TRY(std::optional<FileLock> lock, attempt(std::move(file), operation, path));
        if (lock) {
            return *std::move(lock);
        }
        std::this_thread::sleep_for(kPause);
    }
    return fail(Error{.code = std::errc::timed_out,
                      .message = fmt::format("lock {}: another process has held it for {} s", path,
                                             kWaitMax.count())});
}

Result<FileLock> FileLock::exclusive(const std::string& path) {
    return wait(path, LOCK_EX);
}

Result<FileLock> FileLock::shared(const std::string& path) {
    return wait(path, LOCK_SH);
}

Result<std::optional<FileLock>> FileLock::try_exclusive(const std::string& path) {
    TRY(Fd file, open_file(path, O_RDONLY));
    return attempt(std::move(file), LOCK_EX, path);
}

Result<std::optional<FileLock>> FileLock::try_shared(const std::string& path) {
    TRY(Fd file, open_file(path, O_RDONLY));
    return attempt(std::move(file), LOCK_SH, path);
}

}  // namespace lazybuild::layers
