// SPDX-License-Identifier: Apache-2.0
#include "fuse/host_support.h"

#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "base/file.h"
#include "codec/erofs_writer.h"
#include "fuse/disk_server.h"
#include "fuse/mounts.h"

namespace lazybuild::fuse {
namespace {

constexpr std::uint64_t kDiskBytes = 4096;
constexpr std::uint64_t kSmallFileBytesMax = 64 << 10;

/// The files and directories that the mounts are tried with.
class Scratch {
  public:
    static Result<Scratch> make(const std::string& directory) {
        CHECK_OK(make_directories(directory));
        std::string path = directory + "/check-XXXXXX";
        if (::mkdtemp(path.data()) == nullptr) {
            return fail(errno_error("mkdtemp " + path));
        }
        Scratch scratch{std::move(path)};
        codec::FileTree tree;
        tree.nodes.emplace_back();
        tree.disk_size_bytes = kDiskBytes;
        MemorySink image;
        CHECK_OK(codec::write_erofs(tree, {}, image));
        CHECK_OK(replace_file(scratch.path("image"), image.bytes()));
        CHECK_OK(replace_file(scratch.path("disk"), Bytes(kDiskBytes)));
        for (const char* name : {"target", "lower1", "lower2"}) {
            CHECK_OK(make_directories(scratch.path(name)));
        }
        return scratch;
    }

    Scratch(Scratch&&) = default;
    Scratch& operator=(Scratch&&) = delete;
    ~Scratch() {
        if (!path_.empty()) {
            // Nothing to do about a failure: a stray directory in our own state.
            [[maybe_unused]] const auto removed = remove_tree(path_);
        }
    }

    std::string path(const char* name) const { return path_ + "/" + name; }

  private:
    explicit Scratch(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

/// Unmounts what was just mounted for the trial.
Result<void> and_unmount(Result<void> mounted, const std::string& target) {
    return mounted ? unmount(target, UnmountMode::detach) : mounted;
}

HostFeature feature(std::string name, const Result<void>& tried) {
    return {.name = std::move(name),
            .works = tried.has_value(),
            .needed = true,
            .detail = tried ? "" : tried.error().message};
}

HostFeature probe_kernel() {
    utsname names{};
    ::uname(&names);
    unsigned major = 0;
    unsigned minor = 0;
    const bool parsed = std::sscanf(names.release, "%u.%u", &major, &minor) == 2;
    return {.name = "Linux 5.16 or newer",
            .works = parsed && std::pair{major, minor} >= std::pair{5U, 16U},
            .needed = true,
            .detail = names.release};
}

HostFeature probe_erofs_listed() {
    const Result<std::string> list = read_file("/proc/filesystems", kSmallFileBytesMax);
    const bool listed = list && list->contains("\terofs\n");
    return {.name = "EROFS in the kernel",
            .works = listed,
            .needed = true,
            .detail = listed ? "" : "not in /proc/filesystems: modprobe erofs"};
}

Result<void> try_erofs(const Scratch& scratch, ErofsBacking backing) {
    const std::string target = scratch.path("target");
    return and_unmount(mount_erofs({.image_path = scratch.path("image"),
                                    .device_path = scratch.path("disk"),
                                    .target = target,
                                    .backing = backing}),
                       target);
}

Result<ErofsBacking> choose(const Scratch& scratch, std::optional<ErofsBacking> forced) {
    const ErofsBacking first = forced.value_or(ErofsBacking::file);
    Result<void> tried = try_erofs(scratch, first);
    if (tried) {
        return first;
    }
    if (!forced && try_erofs(scratch, ErofsBacking::loop)) {
        return ErofsBacking::loop;
    }
    return fail(std::move(tried).error());
}

/// Both ways; the one that is not used is missed by nobody.
void probe_erofs(const Scratch& scratch, const Result<ErofsBacking>& chosen,
                 std::vector<HostFeature>& rows) {
    for (const ErofsBacking backing : {ErofsBacking::file, ErofsBacking::loop}) {
        const bool is_file = backing == ErofsBacking::file;
        HostFeature row =
            feature(is_file ? "EROFS mounts of files" : "EROFS mounts of loop devices",
                    try_erofs(scratch, backing));
        const bool used = chosen && *chosen == backing;
        row.needed = used || !chosen;
        row.detail += used ? "used" : "";
        rows.push_back(std::move(row));
    }
}

HostFeature probe_erofs_directio(const Scratch& scratch) {
    const std::string target = scratch.path("target");
    const std::string options = "directio,device=" + scratch.path("disk");
    Result<void> mounted;
    if (::mount(scratch.path("image").c_str(), target.c_str(), "erofs", MS_RDONLY,
                options.c_str()) != 0) {
        mounted = fail(errno_error("mount with directio, which came with Linux 6.15"));
    }
    HostFeature row = feature("EROFS option directio", and_unmount(std::move(mounted), target));
    row.needed = false;
    return row;
}

HostFeature probe_overlay(const Scratch& scratch) {
    const std::string target = scratch.path("target");
    return feature(
        "overlayfs options index=off, redirect_dir=nofollow",
        and_unmount(mount_overlay({.lowers = {scratch.path("lower1"), scratch.path("lower2")},
                                   .upper = {},
                                   .work = {},
                                   .target = target}),
                    target));
}

/// One empty disk.
class OneDisk final : public DiskBackend {
    std::optional<std::uint64_t> disk_size_bytes(DiskNumber disk) override {
        return disk == 1 ? std::optional{kDiskBytes} : std::nullopt;
    }
    std::vector<DiskNumber> disks() override { return {1}; }
    void read(DiskNumber, std::uint64_t, std::uint32_t size_bytes, ReadReply reply) override {
        reply.data(Bytes(size_bytes));
    }
};

/// A disk server, and an EROFS image mounted over its disk.
HostFeature probe_fuse(const Scratch& scratch, ErofsBacking backing) {
    OneDisk backend;
    auto server = DiskServer::mount(scratch.path("disks"), backend);
    Result<void> mounted;
    if (!server) {
        mounted = fail(server.error());
    } else {
        const std::string target = scratch.path("target");
        mounted = and_unmount(mount_erofs({.image_path = scratch.path("image"),
                                           .device_path = (*server)->disk_path(1),
                                           .target = target,
                                           .backing = backing}),
                              target);
    }
    return feature("FUSE disks under EROFS", mounted);
}

/// Where an administrator set this, the kernel aborts the whole connection, all layers with it,
/// when one request takes longer.
HostFeature probe_fuse_timeout() {
    const std::optional<std::chrono::seconds> limit = request_timeout();
    return {.name = "no time limit on FUSE requests",
            .works = !limit,
            .needed = false,
            .detail = !limit ? ""
                             : fmt::format("fs.fuse.max_request_timeout is {} s: read_timeout is "
                                           "shortened to half of it",
                                           limit->count())};
}

/// The system call without arguments: EFAULT where it is allowed, EPERM or ENOSYS where a sysctl or
/// a seccomp profile forbids it.
HostFeature probe_io_uring() {
    constexpr unsigned kNoEntries = 0;
    const long result = ::syscall(SYS_io_uring_setup, kNoEntries, nullptr);
    const int failure = result < 0 ? errno : 0;
    const bool allowed = failure != EPERM && failure != ENOSYS && failure != EACCES;
    const Result<std::string> sysctl =
        read_file("/proc/sys/kernel/io_uring_disabled", kSmallFileBytesMax);
    std::string detail;
    if (!allowed) {
        detail = fmt::format(
            "io_uring_setup: {}; kernel.io_uring_disabled is {}, and container "
            "runtimes forbid it by seccomp",
            errno_error("", failure).message,
            sysctl ? sysctl->substr(0, sysctl->find('\n')) : "unknown");
    }
    return {.name = "io_uring", .works = allowed, .needed = true, .detail = std::move(detail)};
}

}  // namespace

Result<ErofsBacking> choose_erofs_backing(const std::string& directory,
                                          std::optional<ErofsBacking> forced) {
    TRY(const Scratch scratch, Scratch::make(directory));
    return choose(scratch, forced);
}

std::optional<std::chrono::seconds> request_timeout() {
    std::optional<std::chrono::seconds> limit;
    for (const char* name : {"default_request_timeout", "max_request_timeout"}) {
        const auto text = read_file(fmt::format("/proc/sys/fs/fuse/{}", name), kSmallFileBytesMax);
        std::int64_t seconds = 0;
        if (text &&
            std::from_chars(text->data(), text->data() + text->size(), seconds).ec == std::errc{} &&
            seconds > 0 && (!limit || seconds < limit->count())) {
            limit = std::chrono::seconds{seconds};
        }
    }
    return limit;
}

std::vector<HostFeature> probe_host(const std::string& directory,
                                    std::optional<ErofsBacking> forced) {
    std::vector<HostFeature> rows{probe_kernel()};
    if (Result<Scratch> scratch = Scratch::make(directory)) {
        const Result<ErofsBacking> chosen = choose(*scratch, forced);
        probe_erofs(*scratch, chosen, rows);
        rows.push_back(probe_erofs_directio(*scratch));
        rows.push_back(probe_fuse(*scratch, chosen.value_or(ErofsBacking::file)));
        rows.push_back(probe_overlay(*scratch));
    } else {
        rows.push_back(feature("state directory", fail(scratch.error())));
    }
    // After the trials: they load the module where it is only missing.
    rows.push_back(probe_erofs_listed());
    rows.push_back(probe_fuse_timeout());
    rows.push_back(probe_io_uring());
    return rows;
}

}  // namespace lazybuild::fuse
