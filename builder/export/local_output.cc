// SPDX-License-Identifier: Apache-2.0
// Nothing in the destination is reached by a path: every directory is opened below the
// destination's descriptor with openat2 that follows no symlink, and files appear in it by rename.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <utility>
#include <vector>

#include "base/file.h"
#include "builder/export/file_output.h"

namespace lazybuild::exporter {
namespace {

using codec::FileType;
using layers::FileInfo;

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr unsigned kPermissions = 07777;
constexpr unsigned kPrivate = 0700;
constexpr const char* kTemporaryName = ".lazybuild-export";

Result<Fd> open_below(int root, const std::string& path, int flags) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC | O_NOFOLLOW;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    const char* const name = path.empty() ? "." : path.c_str();
    const long number = ::syscall(SYS_openat2, root, name, &how, sizeof how);
    if (number < 0) {
        return fail(errno_error("open"));
    }
    return Fd{static_cast<int>(number)};
}

mode_t type_bits(FileType type) {
    switch (type) {
        case FileType::regular: return S_IFREG;
        case FileType::directory: return S_IFDIR;
        case FileType::symlink: return S_IFLNK;
        case FileType::character: return S_IFCHR;
        case FileType::block: return S_IFBLK;
        case FileType::fifo: return S_IFIFO;
    }
    return S_IFREG;
}

class DirectoryWriter {
  public:
    DirectoryWriter(layers::FileSource& files, const FileOptions& options, Fd root)
        : files_(files), options_(options), root_(std::move(root)), is_root_(::geteuid() == 0) {}
    Result<void> run();

  private:
    struct Directory {
        std::string path;
        FileInfo info;
    };
    Result<void> fill(const std::string& path);
    Result<void> put(int directory, const std::string& name, const std::string& path);
    Result<void> make_directory(int directory, const std::string& name, Directory made);
    Result<void> make_file(int directory, const FileInfo& info, const std::string& path) const;
    Result<void> make_link(int directory, const std::string& first) const;
    Result<void> copy_bytes(const FileInfo& info, const std::string& path, int to) const;
    Result<void> dress(int directory, const char* name, const FileInfo& info) const;
    Result<void> put_xattrs(int directory, const char* name, const FileInfo& info) const;
    Result<void> close_directories();

    layers::FileSource& files_;
    const FileOptions& options_;
    const Fd root_;
    const bool is_root_;
    std::vector<std::string> pending_;
    std::vector<Directory> directories_;  // dressed last: filling them changes their times
    std::map<std::uint64_t, std::string> linked_;
};

Result<void> DirectoryWriter::put_xattrs(int directory, const char* name,
                                         const FileInfo& info) const {
    const std::string path = fmt::format("/proc/self/fd/{}/{}", directory, name);
    for (const codec::Xattr& xattr : info.xattrs) {
        const int set = ::lsetxattr(path.c_str(), xattr.name.c_str(), xattr.value.data(),
                                    xattr.value.size(), 0);
        // Where they have no place they are left out, as by tar and cp.
        const bool no_place = errno == ENOTSUP || (errno == EPERM && !is_root_);
        if (set != 0 && !no_place) {
            return fail(errno_error("set " + xattr.name));
        }
    }
    return {};
}

// Owner, then mode (a change of owner takes setuid away), then the rest; the time last.
Result<void> DirectoryWriter::dress(int directory, const char* name, const FileInfo& info) const {
    if (is_root_ && ::fchownat(directory, name, info.uid, info.gid, AT_SYMLINK_NOFOLLOW) != 0) {
        return fail(errno_error("chown"));
    }
    if (info.type != FileType::symlink &&
        ::fchmodat(directory, name, info.mode & kPermissions, 0) != 0) {
        return fail(errno_error("chmod"));
    }
    CHECK_OK(put_xattrs(directory, name, info));
    const time_t time = options_.epoch_s.value_or(info.mtime_s);
    const std::array<timespec, 2> times = {timespec{.tv_sec = time, .tv_nsec = 0},
                                           timespec{.tv_sec = time, .tv_nsec = 0}};
    if (::utimensat(directory, name, times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
        return fail(errno_error("set its time"));
    }
    return {};
}

Result<void> DirectoryWriter::make_directory(int directory, const std::string& name,
                                             Directory made) {
    // Private until it is complete, whatever it will be.
    if (::mkdirat(directory, name.c_str(), kPrivate) != 0) {
        struct stat status{};
        if (errno != EEXIST ||
            ::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            return fail(errno_error("mkdir"));
        }
        if (!S_ISDIR(status.st_mode)) {
            if (::unlinkat(directory, name.c_str(), 0) != 0 ||
                ::mkdirat(directory, name.c_str(), kPrivate) != 0) {
                return fail(errno_error("mkdir"));
            }
        }
    }
    pending_.push_back(made.path);
    directories_.push_back(std::move(made));
    return {};
}

Result<void> DirectoryWriter::copy_bytes(const FileInfo& info, const std::string& path,
                                         int to) const {
    if (info.size_bytes == 0) {
        return {};
    }
    TRY(const auto source, files_.open(path));
    Bytes piece(std::min<std::uint64_t>(kPieceBytes, info.size_bytes));
    std::uint64_t done = 0;
    while (true) {
        TRY(const std::size_t count, source->read(piece));
        if (count == 0) {
            break;
        }
        done += count;
        CHECK_OK(write_all(to, ByteView{piece}.first(count)));
    }
    return done == info.size_bytes ? Result<void>{}
                                   : fail(corrupt("it is not as long as it was said to be"));
}

// Under the temporary name.
Result<void> DirectoryWriter::make_file(int directory, const FileInfo& info,
                                        const std::string& path) const {
    if (info.type == FileType::regular) {
        const Fd file{::openat(directory, kTemporaryName,
                               O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
        if (!file) {
            return fail(errno_error("create"));
        }
        return copy_bytes(info, path, file.get());
    }
    const int made = info.type == FileType::symlink
                         ? ::symlinkat(info.link_target.c_str(), directory, kTemporaryName)
                         : ::mknodat(directory, kTemporaryName, type_bits(info.type) | 0600,
                                     makedev(info.device_major, info.device_minor));
    return made == 0 ? Result<void>{} : fail(errno_error("create"));
}

Result<void> DirectoryWriter::make_link(int directory, const std::string& first) const {
    TRY(const Fd file, open_below(root_.get(), first, O_PATH));
    const std::string from = fmt::format("/proc/self/fd/{}", file.get());
    if (::linkat(AT_FDCWD, from.c_str(), directory, kTemporaryName, AT_SYMLINK_FOLLOW) != 0) {
        return fail(errno_error("link"));
    }
    return {};
}

Result<void> DirectoryWriter::put(int directory, const std::string& name, const std::string& path) {
    CHECK_OK(options_.may_go_on());
    TRY(std::optional<FileInfo> info, files_.look(path));
    if (!info) {
        return fail(Error{.code = std::errc::no_such_file_or_directory, .message = "it is gone"});
    }
    if (info->type == FileType::directory) {
        return make_directory(directory, name, {.path = path, .info = *std::move(info)});
    }
    const bool device = info->type == FileType::character || info->type == FileType::block;
    if (device && !is_root_) {
        return {};  // as tar does it for users
    }
    ::unlinkat(directory, kTemporaryName, 0);
    bool linked = false;
    if (info->inode != 0) {
        const auto [first, is_first] = linked_.emplace(info->inode, path);
        linked = !is_first;
        if (linked) {
            CHECK_OK(make_link(directory, first->second));
        }
    }
    if (!linked) {
        CHECK_OK(make_file(directory, *info, path));
        CHECK_OK(dress(directory, kTemporaryName, *info));
    }
    if (::renameat(directory, kTemporaryName, directory, name.c_str()) != 0) {
        const Error error = errno_error("create");
        ::unlinkat(directory, kTemporaryName, 0);
        return fail(error);
    }
    if (linked) {
        // A rename of one name of a file to another of its names does nothing, and leaves both.
        ::unlinkat(directory, kTemporaryName, 0);
    }
    return {};
}

Result<void> DirectoryWriter::fill(const std::string& path) {
    TRY(const std::vector<std::string> names, files_.list(path));
    TRY(const Fd directory, open_below(root_.get(), path, O_RDONLY | O_DIRECTORY));
    for (const std::string& name : names) {
        const std::string file = path.empty() ? name : path + "/" + name;
        if (auto done = put(directory.get(), name, file); !done) {
            ::unlinkat(directory.get(), kTemporaryName, 0);
            return fail(std::move(done).error().context("/" + file));
        }
    }
    return {};
}

Result<void> DirectoryWriter::close_directories() {
    for (auto directory = directories_.rbegin(); directory != directories_.rend(); ++directory) {
        auto close = [&]() -> Result<void> {
            TRY(const Fd file, open_below(root_.get(), directory->path, O_RDONLY | O_DIRECTORY));
            return dress(file.get(), ".", directory->info);
        };
        if (auto closed = close(); !closed) {
            return fail(std::move(closed).error().context("/" + directory->path));
        }
    }
    return {};
}

Result<void> DirectoryWriter::run() {
    pending_.emplace_back();
    while (!pending_.empty()) {
        const std::string path = std::move(pending_.back());
        pending_.pop_back();
        CHECK_OK(fill(path));
    }
    return close_directories();
}

Result<void> write_into(layers::FileSource& files, const FileOptions& options,
                        const std::string& directory) {
    TRY(Fd root, open_file(directory, O_RDONLY | O_DIRECTORY));
    return DirectoryWriter{files, options, std::move(root)}.run();
}

}  // namespace

Result<void> write_files(layers::FileSource& files, const FileOptions& options,
                         const std::string& directory) {
    std::string target = directory;
    while (target.size() > 1 && target.back() == '/') {
        target.pop_back();
    }
    if (!options.directory.empty()) {
        CHECK_OK(make_directories(target));
        target += "/" + options.directory;
    }
    if (::access(target.c_str(), F_OK) == 0) {
        if (options.delete_others) {
            CHECK_OK(remove_others(target, [&files](const std::string& path) -> Result<Stays> {
                TRY(const auto info, files.look(path));
                if (!info) {
                    return Stays::no;
                }
                // A file that is no directory is replaced, unless a directory is in its place.
                return info->type == FileType::directory ? Stays::as_directory : Stays::as_file;
            }));
        }
        return write_into(files, options, target);
    }
    const std::size_t slash = target.rfind('/');
    if (slash != std::string::npos && slash != 0) {
        CHECK_OK(make_directories(target.substr(0, slash)));
    }
    std::string temporary = target + ".lazybuild-XXXXXX";
    if (::mkdtemp(temporary.data()) == nullptr) {
        return fail(errno_error("create a directory beside " + target));
    }
    auto written = write_into(files, options, temporary);
    constexpr mode_t kDirectoryMode = 0755;
    if (written && (::chmod(temporary.c_str(), kDirectoryMode) != 0 ||
                    std::rename(temporary.c_str(), target.c_str()) != 0)) {
        written = fail(errno_error("create " + target));
    }
    if (!written) {
        [[maybe_unused]] const auto removed = remove_tree(temporary);
    }
    return written;
}

}  // namespace lazybuild::exporter
