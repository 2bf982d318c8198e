// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/run_directory.h"

#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "fuse/mounts.h"

namespace lazybuild::exec {
namespace {

constexpr const char* kPrivateOptions = "mode=0700,size=64m";

Result<void> make_one_directory(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) != 0) {
        return fail(errno_error("mkdir " + path));
    }
    return {};
}

/// Not swapped out where the kernel can promise that (Linux 6.4).
Result<void> mount_private(const std::string& target) {
    constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV;
    const std::string best = std::string{kPrivateOptions} + ",noswap";
    if (::mount("tmpfs", target.c_str(), "tmpfs", kFlags, best.c_str()) != 0 &&
        ::mount("tmpfs", target.c_str(), "tmpfs", kFlags, kPrivateOptions) != 0) {
        return fail(errno_error("mount a tmpfs on " + target));
    }
    return {};
}

}  // namespace

Result<RunDirectory> RunDirectory::make(const std::string& path, layers::LayerStore& store) {
    CHECK_OK(make_one_directory(path, 0711));
    RunDirectory made{path, store};
    CHECK_OK(make_one_directory(made.private_path(), 0700));
    CHECK_OK(mount_private(made.private_path()));
    made.mounted(made.private_path());
    return made;
}

RunDirectory::~RunDirectory() {
    if (auto closed = close(); !closed) {
        log::warning("a RUN's directory stays", {{"error", closed.error().message}});
    }
}

Result<std::string> RunDirectory::directory(const std::string& name) {
    std::string made = fmt::format("{}/{}-{}", path_, name, next_++);
    CHECK_OK(make_one_directory(made, 0755));
    return made;
}

Result<std::string> RunDirectory::private_directory(const std::string& name) {
    std::string made = fmt::format("{}/{}-{}", private_path(), name, next_++);
    CHECK_OK(make_one_directory(made, 0755));
    return made;
}

Result<void> RunDirectory::mount_snapshot(const layers::Snapshot& snapshot, const View& view) {
    layers::SnapshotMount where{.target = view.target, .upper = view.upper, .work = view.work};
    if (view.writable && where.upper.empty()) {
        TRY(where.upper, directory("upper"));
        TRY(where.work, directory("work"));
    } else if (view.writable) {
        CHECK_OK(make_one_directory(where.upper, 0755));
        CHECK_OK(make_one_directory(where.work, 0755));
    }
    CHECK_OK(store_.mount(snapshot, where));
    mounts_.push_back({.target = view.target, .by_store = true});
    const unsigned long flags =
        MS_REMOUNT | MS_BIND | (view.devices ? 0UL : MS_NODEV) | (view.writable ? 0UL : MS_RDONLY);
    if (::mount(nullptr, view.target.c_str(), nullptr, flags, nullptr) != 0) {
        return fail(errno_error("remount " + view.target));
    }
    return {};
}

Result<void> RunDirectory::unmount() {
    Result<void> result;
    while (!mounts_.empty()) {
        const Mounted& last = mounts_.back();
        auto unmounted = last.by_store ? store_.unmount(last.target)
                                       : fuse::unmount(last.target, fuse::UnmountMode::detach);
        if (!unmounted) {
            result = std::move(unmounted);
        }
        mounts_.pop_back();
    }
    kept_.clear();
    return result;
}

Result<void> RunDirectory::close() {
    const std::string path = std::exchange(path_, {});
    if (path.empty()) {
        return {};
    }
    CHECK_OK(unmount());
    return remove_tree(path);
}

}  // namespace lazybuild::exec
