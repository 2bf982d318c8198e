// SPDX-License-Identifier: Apache-2.0
#include "fuse/mounts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <libmount/libmount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "fuse/loop_device.h"

namespace lazybuild::fuse {
namespace {

constexpr const char* kBackingDevices = "/sys/class/bdi";
constexpr const char* kMountTable = "/proc/self/mountinfo";
constexpr std::size_t kMountOptionsBytesMax = 4095;  // one page, with its NUL

struct TableDeleter {
    void operator()(libmnt_table* table) const { mnt_unref_table(table); }
};
struct IteratorDeleter {
    void operator()(libmnt_iter* iterator) const { mnt_free_iter(iterator); }
};

std::string text_or_empty(const char* text) {
    return text == nullptr ? std::string{} : std::string{text};
}

MountEntry entry_of(libmnt_fs* line) {
    const dev_t device = mnt_fs_get_devno(line);
    return {.target = text_or_empty(mnt_fs_get_target(line)),
            .type = text_or_empty(mnt_fs_get_fstype(line)),
            .source = text_or_empty(mnt_fs_get_source(line)),
            .options = text_or_empty(mnt_fs_get_fs_options(line)),
            .device_major = gnu_dev_major(device),
            .device_minor = gnu_dev_minor(device)};
}

bool is_at_or_below(std::string_view path, std::string_view prefix) {
    if (prefix == "/") {
        return true;
    }
    return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

/// Mount options are separated by commas, and overlay's lower directories by colons.
Result<void> check_option_path(std::string_view path) {
    if (path.find_first_of(",:\\") != path.npos) {
        return fail(
            invalid(fmt::format("{}: a path in mount options must not contain ',', ':' or "
                                "'\\'",
                                path)));
    }
    return {};
}

const char* erofs_hint(int error_number) {
    switch (error_number) {
        case ENOTBLK:
            return " (the image must lie on a real file system, not on tmpfs or overlayfs, and the "
                   "kernel must mount files: Linux 6.12, CONFIG_EROFS_FS_BACKED_BY_FILE)";
        case ENODEV: return " (the kernel has no EROFS: modprobe erofs)";
        case EPERM: return " (needs CAP_SYS_ADMIN)";
        case EINVAL: return " (the kernel's log says more: dmesg)";
        default: return "";
    }
}

/// The backing devices (bdi) of all EROFS mounts of the machine that are files: "erofs-<count>".
std::set<std::string> erofs_backing_devices() {
    std::set<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator entry{kBackingDevices, error};
    for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
        std::string name = entry->path().filename();
        if (name.starts_with("erofs-")) {
            names.insert(std::move(name));
        }
    }
    return names;
}

Result<void> set_read_ahead(const std::string& backing_device) {
    const std::string path = fmt::format("{}/{}/read_ahead_kb", kBackingDevices, backing_device);
    TRY(const Fd file, open_file(path, O_WRONLY));
    return write_all(file.get(), as_bytes(std::to_string(kReadAheadKib)));
}

/// Raises the read-ahead of the mounts that came after `before` was taken. Nothing in the kernel
/// says which mount a backing device belongs to, so one that somebody else made in that moment gets
/// it too, which does no harm.
Result<void> raise_read_ahead(const std::set<std::string>& before) {
    Result<void> raised = fail(errno_error("no new backing device", ENODEV));
    for (const std::string& name : erofs_backing_devices()) {
        if (before.contains(name)) {
            continue;
        }
        if (auto set = set_read_ahead(name); set || !raised) {
            raised = std::move(set);
        }
    }
    return raised;
}

Error mount_failure(const ErofsMount& mount, int failure) {
    Error error = errno_error(fmt::format("mount EROFS {} with {} on {}", mount.image_path,
                                          mount.device_path, mount.target),
                              failure);
    error.message += erofs_hint(failure);
    return error;
}

/// Returns how raising the read-ahead went.
Result<Result<void>> mount_files(const ErofsMount& mount) {
    CHECK_OK(check_option_path(mount.device_path));
    const std::set<std::string> devices_before = erofs_backing_devices();
    const std::string device = "device=" + mount.device_path;
    const char* source = mount.image_path.c_str();
    const char* target = mount.target.c_str();
    // A kernel that does not know an option says EINVAL, as for a bad image; then both tries fail.
    if (::mount(source, target, "erofs", MS_RDONLY, ("directio," + device).c_str()) != 0 &&
        (errno != EINVAL || ::mount(source, target, "erofs", MS_RDONLY, device.c_str()) != 0)) {
        return fail(mount_failure(mount, errno));
    }
    return raise_read_ahead(devices_before);
}

/// As mount_files. All read-ahead of the mount is that of its first device.
Result<Result<void>> mount_loop_devices(const ErofsMount& mount) {
    TRY(const LoopDevice image, LoopDevice::attach(mount.image_path));
    TRY(const LoopDevice disk, LoopDevice::attach(mount.device_path));
    if (::mount(image.path().c_str(), mount.target.c_str(), "erofs", MS_RDONLY,
                ("device=" + disk.path()).c_str()) != 0) {
        return fail(mount_failure(mount, errno));
    }
    return image.set_read_ahead(kReadAheadKib);
}

Result<void> mount_with(const OverlayMount& mount, const std::string& options) {
    constexpr std::string_view kVolatile = ",volatile";
    const unsigned long flags = mount.upper.empty() ? MS_RDONLY : 0;
    const char* const target = mount.target.c_str();
    if (mount.scratch && !mount.upper.empty() &&
        options.size() + kVolatile.size() <= kMountOptionsBytesMax &&
        ::mount("overlay", target, "overlay", flags, (options + std::string{kVolatile}).c_str()) ==
            0) {
        return {};
    }
    if (::mount("overlay", target, "overlay", flags, options.c_str()) != 0) {
        return fail(errno_error(fmt::format("mount overlay ({}) on {}", options, mount.target)));
    }
    return {};
}

}  // namespace

Result<void> mount_erofs(const ErofsMount& mount) {
    TRY(const Result<void> raised,
        mount.backing == ErofsBacking::loop ? mount_loop_devices(mount) : mount_files(mount));
    if (!raised) {
        // Slower, but as good: /sys is read-only in some containers.
        log::warning("read-ahead stays at the kernel's default",
                     {{"mount", mount.target}, {"error", raised.error().message}});
    }
    return {};
}

Result<void> mount_overlay(const OverlayMount& mount) {
    if (mount.lowers.empty() || mount.upper.empty() != mount.work.empty()) {
        return fail(invalid("overlay needs lower directories, and upper with work or neither"));
    }
    for (const std::string& path : mount.lowers) {
        CHECK_OK(check_option_path(path));
    }
    CHECK_OK(check_option_path(mount.upper + mount.work));
    std::string options =
        fmt::format("index=off,redirect_dir=nofollow,lowerdir={}", fmt::join(mount.lowers, ":"));
    if (!mount.upper.empty()) {
        options += fmt::format(",upperdir={},workdir={}", mount.upper, mount.work);
    }
    if (mount.scratch || mount.whole_files) {
        options += ",metacopy=off";
    }
    if (options.size() > kMountOptionsBytesMax) {
        return fail(
            over_limit(fmt::format("overlay of {} layers: {} bytes of mount options, the "
                                   "kernel takes {}",
                                   mount.lowers.size(), options.size(), kMountOptionsBytesMax)));
    }
    if (mount.lowers_directory.empty()) {
        return mount_with(mount, options);
    }
    // On a thread of its own, because the working directory changes.
    Result<void> mounted;
    std::thread{[&] {
        const char* const directory = mount.lowers_directory.c_str();
        mounted = ::unshare(CLONE_FS) != 0 || ::chdir(directory) != 0
                      ? fail(errno_error("enter " + mount.lowers_directory))
                      : mount_with(mount, options);
    }}.join();
    return mounted;
}

Result<void> unmount(const std::string& target, UnmountMode mode) {
    const int flags = UMOUNT_NOFOLLOW | (mode == UnmountMode::detach ? MNT_DETACH : 0);
    if (::umount2(target.c_str(), flags) != 0) {
        return fail(errno_error("unmount " + target));
    }
    return {};
}

Result<std::string> resolve_mount_point(const std::string& target) {
    std::string_view path = target;
    while (path.size() > 1 && path.ends_with('/')) {
        path.remove_suffix(1);
    }
    if (path == "/") {
        return std::string{path};
    }
    const std::size_t slash = path.rfind('/');
    const std::string name{slash == path.npos ? path : path.substr(slash + 1)};
    if (name.empty() || name == "." || name == "..") {
        return fail(invalid(fmt::format("\"{}\" is no place for a mount", target)));
    }
    const std::string parent{slash == path.npos ? "." : path.substr(0, slash + 1)};
    std::unique_ptr<char, decltype(&std::free)> real{::realpath(parent.c_str(), nullptr),
                                                     &std::free};
    if (!real) {
        return fail(errno_error(parent));
    }
    const std::string_view base{real.get()};
    return fmt::format("{}/{}", base == "/" ? "" : base, name);
}

bool is_erofs_of(const MountEntry& mount, const std::string& image_path) {
    if (mount.type != "erofs") {
        return false;
    }
    if (mount.source == image_path) {
        return true;
    }
    constexpr std::uint64_t kPathBytesMax = 2 * PATH_MAX;  // sysfs adds a newline
    const std::string backing = fmt::format("/sys/dev/block/{}:{}/loop/backing_file",
                                            mount.device_major, mount.device_minor);
    const Result<std::string> file = read_file(backing, kPathBytesMax);
    return file && *file == image_path + "\n";
}

Result<std::vector<MountEntry>> mounts_under(const std::string& prefix) {
    Result<std::string> top = resolve_mount_point(prefix);
    if (!top && top.error().code == std::errc::no_such_file_or_directory) {
        return std::vector<MountEntry>{};
    }
    if (!top) {
        return fail(std::move(top).error());
    }
    std::unique_ptr<libmnt_table, TableDeleter> table{mnt_new_table()};
    std::unique_ptr<libmnt_iter, IteratorDeleter> iterator{mnt_new_iter(MNT_ITER_FORWARD)};
    ASSERT(table && iterator);
    if (const int failure = mnt_table_parse_file(table.get(), kMountTable); failure != 0) {
        return fail(errno_error(kMountTable, failure < 0 ? -failure : EIO));
    }
    std::vector<MountEntry> entries;
    libmnt_fs* line = nullptr;
    while (mnt_table_next_fs(table.get(), iterator.get(), &line) == 0) {
        const char* target = mnt_fs_get_target(line);
        if (target != nullptr && is_at_or_below(target, *top)) {
            entries.push_back(entry_of(line));
        }
    }
    return entries;
}

}  // namespace lazybuild::fuse
