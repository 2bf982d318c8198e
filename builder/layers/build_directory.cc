// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/build_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "builder/layers/disk_usage.h"
#include "builder/layers/file_lock.h"
#include "fuse/mounts.h"

namespace lazybuild::layers {
namespace {

constexpr std::size_t kBuildsMax = 10'000;
// Others may pass through, as overlayfs does for those who read in a container, but not list.
constexpr unsigned kDirectoryMode = 0711;

/// Each with all that is mounted in it, which takes no longer than one of them.
Result<void> unmount_below(const std::string& directory) {
    TRY(const std::vector<fuse::MountEntry> mounts, fuse::mounts_under(directory));
    std::vector<std::string> detached;
    for (const fuse::MountEntry& mount : mounts) {
        const std::string place = mount.target + "/";
        const auto holds = [&place](const std::string& top) { return place.starts_with(top); };
        if (std::ranges::none_of(detached, holds)) {
            CHECK_OK(fuse::unmount(mount.target, fuse::UnmountMode::detach));
            detached.push_back(place);
        }
    }
    return {};
}

Result<void> remove_build(const std::string& directory) {
    CHECK_OK(unmount_below(directory));
    // The lock last: a directory without one belongs to somebody who is at it right now, or was
    // when he was killed.
    std::error_code failure;
    std::vector<std::string> names;
    std::filesystem::directory_iterator entry{directory, failure};
    for (; !failure && entry != std::filesystem::directory_iterator{}; entry.increment(failure)) {
        if (entry->path().filename() != "lock") {
            names.push_back(entry->path().string());
        }
    }
    for (const std::string& name : names) {
        CHECK_OK(remove_tree(name));
    }
    return remove_tree(directory);
}

struct DeadBuild {
    std::string path;
    Fd lock;  ///< none when it has no lock to take
};

/// Of builds without a process, locked so that nobody else removes them. Under <root>/builds/lock,
/// so that none of them is being made.
Result<std::vector<DeadBuild>> dead_builds(const std::string& builds) {
    std::vector<DeadBuild> dead;
    std::error_code failure;
    std::filesystem::directory_iterator entry{builds, failure};
    for (; !failure && entry != std::filesystem::directory_iterator{}; entry.increment(failure)) {
        const std::string path = entry->path().string();
        if (entry->path().filename() == "lock" || dead.size() == kBuildsMax) {
            continue;
        }
        auto lock = FileLock::try_exclusive(path + "/lock");
        if (lock && *lock) {
            dead.push_back({.path = path, .lock = std::move(**lock).take()});
        } else if (!lock && lock.error().code == std::errc::no_such_file_or_directory) {
            dead.push_back({.path = path, .lock = {}});
        }
    }
    if (failure) {
        return fail(errno_error("list " + builds, failure.value()));
    }
    return dead;
}

Result<std::string> real_directory(const std::string& path) {
    CHECK_OK(make_directories(path, kDirectoryMode));
    std::error_code failure;
    const std::filesystem::path real = std::filesystem::canonical(path, failure);
    if (failure) {
        return fail(errno_error(path, failure.value()));
    }
    return real.string();
}

}  // namespace

Result<BuildDirectory> BuildDirectory::create(const std::string& root) {
    TRY(const std::string builds, real_directory(root + "/builds"));
    std::vector<DeadBuild> dead;
    std::string path = builds + "/XXXXXX";
    Fd lock;
    {
        TRY(const FileLock ordered, FileLock::exclusive(builds + "/lock"));
        TRY(dead, dead_builds(builds));
        if (::mkdtemp(path.data()) == nullptr) {
            return fail(errno_error("make a directory in " + builds));
        }
        if (::chmod(path.c_str(), kDirectoryMode) != 0) {
            return fail(errno_error("chmod " + path));
        }
        TRY(FileLock own, FileLock::exclusive(path + "/lock"));
        lock = std::move(own).take();
    }
    for (const DeadBuild& build : dead) {
        if (auto removed = remove_build(build.path); !removed) {
            log::warning("what a build has left cannot be removed",
                         {{"directory", build.path}, {"error", removed.error().message}});
        }
    }
    return BuildDirectory{std::move(path), std::move(lock)};
}

Result<std::vector<BuildUsage>> BuildDirectory::usage(const std::string& root) {
    std::vector<BuildUsage> builds;
    TRY(const std::vector<std::string> names, names_in(root + "/builds"));
    for (const std::string& name : names) {
        const std::string path = root + "/builds/" + name;
        const auto lock = FileLock::try_exclusive(path + "/lock");
        const auto use = measure(path);
        if (name != "lock" && use) {  // otherwise it is going
            builds.push_back({.name = name,
                              .size_bytes = use->size_bytes,
                              .used_s = use->changed_s,
                              .in_use = lock && !lock->has_value()});
        }
    }
    return builds;
}

BuildDirectory::~BuildDirectory() {
    if (!lock_) {
        return;
    }
    if (auto removed = remove_build(path_); !removed) {
        log::warning("a build's directory stays until the next build",
                     {{"directory", path_}, {"error", removed.error().message}});
    }
}

}  // namespace lazybuild::layers
