// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/mount_state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <ranges>
#include <system_error>

#include "base/file.h"
#include "fuse/mounts.h"

namespace lazybuild::cli {
namespace {

constexpr std::size_t kMountsMax = 10'000;
// Others may pass through, as overlayfs does for its readers, but not list.
constexpr unsigned kDirectoryMode = 0711;

std::string mounts_directory(const std::string& root) {
    return root + "/mounts";
}

/// nullopt: somebody else holds it. Errors: no_such_file_or_directory.
Result<std::optional<Fd>> try_lock(const std::string& path) {
    TRY(Fd lock, open_file(path, O_RDWR));
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) {
        return std::optional{std::move(lock)};
    }
    if (errno == EWOULDBLOCK) {
        return std::nullopt;
    }
    return fail(errno_error("lock " + path));
}

/// For locks that others hold for moments only.
Result<Fd> take_lock(const std::string& path) {
    TRY(Fd lock, open_file(path, O_RDWR | O_CREAT, 0600));
    while (::flock(lock.get(), LOCK_EX) != 0) {
        if (errno != EINTR) {
            return fail(errno_error("lock " + path));
        }
    }
    return lock;
}

/// Held by whoever makes or removes a directory.
Result<Fd> lock_mounts(const std::string& root) {
    return take_lock(mounts_directory(root) + "/lock");
}

Result<std::string> real_path(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> real{::realpath(path.c_str(), nullptr),
                                                           &std::free};
    if (!real) {
        return fail(errno_error(path));
    }
    return std::string{real.get()};
}

Result<void> unmount_below(const std::string& directory) {
    TRY(const std::vector<fuse::MountEntry> mounts, fuse::mounts_under(directory));
    for (const fuse::MountEntry& mount : mounts | std::views::reverse) {
        CHECK_OK(fuse::unmount(mount.target, fuse::UnmountMode::detach));
    }
    return {};
}

Result<void> remove_directory(const std::string& directory) {
    CHECK_OK(unmount_below(directory));
    // The lock last: a directory without one belongs to somebody who is at it right now.
    for (const char* name : {"/l", "/store", "/log", "/target"}) {
        CHECK_OK(remove_tree(directory + name));
    }
    return remove_tree(directory);
}

}  // namespace

std::string MountState::layer_mount_point(std::size_t layer) {
    return fmt::format("l/{}", layer);
}

Result<MountState> MountState::create(const std::string& root, const std::string& target) {
    CHECK_OK(make_directories(mounts_directory(root), kDirectoryMode));
    TRY(const std::string mounts, real_path(mounts_directory(root)));
    TRY(const Fd ordered, lock_mounts(root));
    std::string path = mounts + "/XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
        return fail(errno_error("make a directory in " + mounts));
    }
    if (::chmod(path.c_str(), kDirectoryMode) != 0) {
        return fail(errno_error("chmod " + path));
    }
    TRY(Fd lock, take_lock(path + "/lock"));
    CHECK_OK(pwrite_all(lock.get(), as_bytes(std::to_string(::getpid())), 0));
    CHECK_OK(replace_file(path + "/target", as_bytes(target), 0600));
    CHECK_OK(make_directories(path + "/l", kDirectoryMode));
    return MountState{std::move(path), std::move(lock)};
}

Result<void> MountState::remove() {
    return remove_directory(path_);
}

Result<std::vector<MountRecord>> mount_records(const std::string& root) {
    std::vector<MountRecord> records;
    std::error_code failure;
    std::filesystem::directory_iterator entry{mounts_directory(root), failure};
    if (failure == std::errc::no_such_file_or_directory) {
        return records;
    }
    TRY(const std::string mounts, real_path(mounts_directory(root)));
    for (; !failure && entry != std::filesystem::directory_iterator{}; entry.increment(failure)) {
        if (entry->path().filename() == "lock") {
            continue;
        }
        MountRecord record{.path = mounts + "/" + entry->path().filename().string(), .target = {}};
        // Without a target the directory is being made, or being removed.
        if (auto target = read_file(record.path + "/target", PATH_MAX)) {
            record.target = *std::move(target);
        }
        const auto lock = try_lock(record.path + "/lock");
        if (!lock && ::access(record.path.c_str(), F_OK) != 0) {
            continue;  // gone meanwhile
        }
        // Without a lock to take, its process is making or removing it.
        record.served = !lock || !lock->has_value();
        records.push_back(std::move(record));
        if (records.size() > kMountsMax) {
            return fail(over_limit(fmt::format("{} has more than {} mounts", mounts, kMountsMax)));
        }
    }
    if (failure) {
        return fail(errno_error("list " + mounts_directory(root), failure.value()));
    }
    return records;
}

Result<void> remove_mount_state(const std::string& root, const MountRecord& record) {
    TRY(const Fd ordered, lock_mounts(root));
    auto lock = try_lock(record.path + "/lock");
    if (!lock) {
        return {};
    }
    if (!lock->has_value()) {
        return fail(errno_error(record.path + " is served", EBUSY));
    }
    return remove_directory(record.path);
}

}  // namespace lazybuild::cli
