// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/mount_points.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/file.h"

namespace lazybuild::exec {
namespace {

int open_at(int directory, const char* name, int flags, std::uint64_t resolve) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
    how.resolve = resolve;
    return static_cast<int>(::syscall(SYS_openat2, directory, name, &how, sizeof how));
}

/// Creates `name` and gives `directory` its times back.
Result<void> create(int directory, const std::string& name, MountPoints::Kind kind) {
    struct stat before{};
    if (::fstat(directory, &before) != 0) {
        return fail(errno_error("stat"));
    }
    if (kind == MountPoints::Kind::directory) {
        if (::mkdirat(directory, name.c_str(), 0755) != 0) {
            return fail(errno_error("mkdir"));
        }
    } else {
        const Fd made{::openat(directory, name.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644)};
        if (!made) {
            return fail(errno_error("create"));
        }
    }
    const std::array<timespec, 2> times = {before.st_atim, before.st_mtim};
    if (::futimens(directory, times.data()) != 0) {
        return fail(errno_error("restore times"));
    }
    return {};
}

/// Where the runtime mounts must be where we looked. Nothing (it has just been made) is none.
Result<void> check_no_symlink(const Fd& fd, const std::string& path) {
    struct stat status{};
    if (fd && ::fstat(fd.get(), &status) != 0) {
        return fail(errno_error(path));
    }
    return S_ISLNK(status.st_mode) ? fail(errno_error(path, ELOOP)) : Result<void>{};
}

}  // namespace

Result<MountPoints> MountPoints::open(const std::string& root) {
    TRY(Fd fd, open_file(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    return MountPoints{std::move(fd)};
}

Result<void> MountPoints::make(std::string_view path, Kind kind) {
    return make(path, kind, false);
}

Result<void> MountPoints::make_lasting(std::string_view path) {
    return make(path, Kind::directory, true);
}

Result<void> MountPoints::make(std::string_view path, Kind kind, bool lasting) {
    constexpr std::uint64_t kOneStep = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
    const std::string whole = "/" + std::string{path};
    Fd here{open_at(root_.get(), ".", O_RDONLY | O_DIRECTORY, kOneStep)};
    std::string reached;
    while (here && !path.empty()) {
        const std::size_t slash = std::min(path.find('/'), path.size());
        const std::string name{path.substr(0, slash)};
        path.remove_prefix(std::min(slash + 1, path.size()));
        reached += (reached.empty() ? "" : "/") + name;
        const Kind wanted = path.empty() ? kind : Kind::directory;
        Fd next{open_at(here.get(), name.c_str(), O_PATH | O_NOFOLLOW, kOneStep)};
        if (!next && errno == ENOENT) {
            if (auto created = create(here.get(), name, wanted); !created) {
                return fail(std::move(created).error().context(whole));
            }
            if (!lasting) {
                made_.insert(reached);
            }
        } else if (!next) {
            return fail(errno_error(whole));
        }
        if (path.empty()) {
            return check_no_symlink(next, whole);
        }
        here = Fd{open_at(here.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, kOneStep)};
    }
    if (!here) {
        return fail(errno_error(whole));
    }
    return {};
}

Result<Fd> open_inside(const std::string& root, const std::string& path) {
    TRY(const Fd directory, open_file(root, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    Fd fd{open_at(directory.get(), path.empty() ? "." : path.c_str(), O_PATH,
                  RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)};
    if (!fd) {
        return fail(errno_error("/" + path));
    }
    return fd;
}

Result<void> mount_fd(int fd, const std::string& target, const FdMount& options) {
    const Fd tree{::open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)};
    if (!tree) {
        return fail(errno_error("open_tree for " + target));
    }
    mount_attr attributes{};
    attributes.attr_set = (options.read_only ? MOUNT_ATTR_RDONLY : 0U) |
                          (options.devices ? 0U : std::uint64_t{MOUNT_ATTR_NODEV});
    if (::mount_setattr(tree.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0 ||
        ::move_mount(tree.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
        return fail(errno_error("mount " + target));
    }
    return {};
}

}  // namespace lazybuild::exec
