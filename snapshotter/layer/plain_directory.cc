// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/plain_directory.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/file.h"
#include "codec/file_tree.h"

namespace lazybuild::layer {
namespace {

Result<std::optional<Fd>> open_beneath(int directory, const std::string& path) {
    open_how how{};
    how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
    const long number = ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof(how));
    if (number >= 0) {
        return Fd{static_cast<int>(number)};
    }
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
        return std::nullopt;
    }
    return fail(errno_error("open " + path + " in a lower layer"));
}

codec::FileType type_of(unsigned mode) {
    switch (mode & S_IFMT) {
        case S_IFDIR: return codec::FileType::directory;
        case S_IFLNK: return codec::FileType::symlink;
        case S_IFCHR: return codec::FileType::character;
        case S_IFBLK: return codec::FileType::block;
        case S_IFIFO: return codec::FileType::fifo;
        default: return codec::FileType::regular;  // or a socket: no directory in any case
    }
}

Result<std::string> link_target(int link) {
    std::string target(codec::kPathBytesMax, '\0');
    const ssize_t size = ::readlinkat(link, "", target.data(), target.size());
    if (size < 0) {
        return fail(errno_error("readlink in a lower layer"));
    }
    target.resize(static_cast<std::size_t>(size));
    return target;
}

Result<std::string> xattr_value(int directory, const char* name) {
    std::string value(codec::kXattrBytesMax, '\0');
    const ssize_t size = ::fgetxattr(directory, name, value.data(), value.size());
    if (size < 0) {
        return fail(errno_error(std::string{"xattr "} + name + " in a lower layer"));
    }
    value.resize(static_cast<std::size_t>(size));
    return value;
}

Result<std::vector<codec::Xattr>> xattrs_of(int path_only) {
    const Fd directory{::openat(path_only, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!directory) {
        return fail(errno_error("open a directory of a lower layer"));
    }
    std::string names(codec::kXattrBytesMax, '\0');
    const ssize_t size = ::flistxattr(directory.get(), names.data(), names.size());
    if (size < 0 && errno == ENOTSUP) {
        return std::vector<codec::Xattr>{};
    }
    if (size < 0) {
        return fail(errno_error("list the xattrs of a lower layer's directory"));
    }
    names.resize(static_cast<std::size_t>(size));
    std::vector<codec::Xattr> xattrs;
    for (std::string_view rest = names; !rest.empty();) {
        const std::string name{rest.substr(0, rest.find('\0'))};
        rest.remove_prefix(std::min(rest.size(), name.size() + 1));
        TRY(std::string value, xattr_value(directory.get(), name.c_str()));
        xattrs.push_back({.name = name, .value = std::move(value)});
    }
    std::ranges::sort(xattrs, {}, &codec::Xattr::name);
    return xattrs;
}

}  // namespace

Result<std::unique_ptr<codec::LowerTree>> PlainDirectory::open(const std::string& path) {
    TRY(Fd directory, open_file(path, O_PATH | O_DIRECTORY));
    return std::make_unique<PlainDirectory>(std::move(directory));
}

Result<std::optional<codec::Node>> PlainDirectory::look(std::string_view path) {
    TRY(const std::optional<Fd> file,
        open_beneath(directory_.get(), path.empty() ? "." : std::string{path}));
    if (!file) {
        return std::nullopt;
    }
    struct stat status{};
    if (::fstat(file->get(), &status) != 0) {
        return fail(errno_error("stat in a lower layer"));
    }
    codec::Node node{.type = type_of(status.st_mode),
                     .mode = status.st_mode & 07777U,
                     .uid = status.st_uid,
                     .gid = status.st_gid,
                     .mtime_s = std::max<std::int64_t>(status.st_mtim.tv_sec, 0)};
    if (node.type == codec::FileType::symlink) {
        TRY(node.link_target, link_target(file->get()));
    } else if (node.type == codec::FileType::directory) {
        TRY(node.xattrs, xattrs_of(file->get()));
    }
    return node;
}

}  // namespace lazybuild::layer
