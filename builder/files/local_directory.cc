// SPDX-License-Identifier: Apache-2.0
#include "builder/files/local_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "codec/xattrs.h"

namespace lazybuild::files {
namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

// O_PATH descriptors cannot be asked for xattrs themselves; their names in /proc can. What is below
// such a name is looked for there, and nowhere else.
std::string proc_name(const Fd& file) {
    return "/proc/self/fd/" + std::to_string(file.get());
}

bool is_wanted(std::string_view xattr) {
    return xattr.starts_with("user.") || xattr == "security.capability" ||
           xattr == "system.posix_acl_access" || xattr == "system.posix_acl_default";
}

// File systems without xattrs have none; what went away meanwhile has none either.
bool has_no_xattrs(int error) {
    return error == ENOTSUP || error == ENODATA || error == ENOENT || error == EPERM ||
           error == EACCES;
}

}  // namespace

Result<LocalDirectory> LocalDirectory::open(const std::string& path) {
    LocalDirectory directory;
    directory.name_ = path;
    TRY(directory.root_, open_file(path, O_RDONLY | O_DIRECTORY));
    if (::fstat(directory.root_.get(), &directory.root_status_) != 0) {
        return fail(errno_error("stat " + path));
    }
    TRY(directory.descriptors_, open_file("/proc/self/fd", O_PATH | O_DIRECTORY));
    return directory;
}

Error LocalDirectory::failure(const std::string& path) const {
    return errno_error(name_ + "/" + path);
}

Result<std::optional<Fd>> LocalDirectory::open_beneath(const std::string& path, int flags) const {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_NOFOLLOW | O_CLOEXEC);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    const char* const name = path.empty() ? "." : path.c_str();
    const long number = ::syscall(SYS_openat2, root_.get(), name, &how, sizeof how);
    if (number >= 0) {
        return Fd{static_cast<int>(number)};
    }
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
        return std::nullopt;
    }
    return fail(failure(path));
}

Result<std::optional<struct stat>> LocalDirectory::status(const std::string& path) const {
    TRY(const std::optional<Fd> file, open_beneath(path, O_PATH));
    if (!file) {
        return std::nullopt;
    }
    return status_of(*file, path);
}

Result<std::vector<LocalDirectory::Child>> LocalDirectory::children(const std::string& path) const {
    TRY(std::optional<Fd> file, open_beneath(path, O_RDONLY | O_DIRECTORY));
    if (!file) {
        errno = ENOENT;
        return fail(failure(path));
    }
    const std::unique_ptr<DIR, CloseDirectory> directory{::fdopendir(file->get())};
    if (!directory) {
        return fail(failure(path));
    }
    const int number = file->release();  // the DIR's now
    std::vector<Child> children;
    while (true) {
        errno = 0;
        const dirent* const entry = ::readdir(directory.get());
        if (entry == nullptr) {
            break;
        }
        const std::string_view name = entry->d_name;
        if (name == "." || name == "..") {
            continue;
        }
        Child child{.name = std::string{name}, .status = {}};
        if (::fstatat(number, entry->d_name, &child.status, AT_SYMLINK_NOFOLLOW) == 0) {
            children.push_back(std::move(child));
        } else if (errno != ENOENT) {
            return fail(failure(path + "/" + child.name));
        }
    }
    if (errno != 0) {
        return fail(failure(path));
    }
    return children;
}

Result<std::string> LocalDirectory::link_target(const std::string& path) const {
    TRY(const std::optional<Fd> link, open_beneath(path, O_PATH));
    std::string target(codec::kPathBytesMax, '\0');
    const ssize_t size =
        link ? ::readlinkat(link->get(), "", target.data(), target.size()) : ssize_t{-1};
    if (size < 0) {
        return fail(failure(path));
    }
    target.resize(static_cast<std::size_t>(size));
    return target;
}

Result<std::optional<Fd>> LocalDirectory::directory(const std::string& path) const {
    return open_beneath(path, O_PATH | O_DIRECTORY);
}

// One call for most files, which have none.
Result<std::vector<codec::Xattr>> LocalDirectory::xattrs(const Fd& parent,
                                                         std::string_view name) const {
    std::vector<codec::Xattr> xattrs;
    std::string path = proc_name(parent) + "/";
    path += name;
    const ssize_t listed = ::llistxattr(path.c_str(), nullptr, 0);
    if (listed == 0 || (listed < 0 && has_no_xattrs(errno))) {
        return xattrs;
    }
    std::string names(codec::kXattrBytesMax, '\0');
    const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
    if (size < 0) {
        return fail(failure(std::string{name}));
    }
    for (std::string_view rest{names.data(), static_cast<std::size_t>(size)}; !rest.empty();) {
        const std::string xattr{rest.substr(0, rest.find('\0'))};
        rest.remove_prefix(xattr.size() + 1);
        if (!is_wanted(xattr)) {
            continue;
        }
        std::string value(codec::kXattrBytesMax, '\0');
        const ssize_t count = ::lgetxattr(path.c_str(), xattr.c_str(), value.data(), value.size());
        if (count >= 0) {
            value.resize(static_cast<std::size_t>(count));
            xattrs.push_back(codec::Xattr{.name = xattr, .value = std::move(value)});
        } else if (!has_no_xattrs(errno)) {
            return fail(failure(std::string{name}));
        }
    }
    codec::sort_xattrs(xattrs);
    return xattrs;
}

// In two steps: opening a device or a pipe, even to close it at once, is something that its driver
// or whoever is at the other end notices. A name in /proc leads to what was looked at, whatever has
// taken its place since.
Result<Fd> LocalDirectory::open_seen(const std::string& path) const {
    TRY(const std::optional<Fd> place, open_beneath(path, O_PATH));
    if (!place) {
        errno = ENOENT;
        return fail(failure(path));
    }
    TRY(const struct stat status, status_of(*place, path));
    if (!S_ISREG(status.st_mode)) {
        return fail(corrupt(fmt::format("\"{}\" is not a regular file any more", path)));
    }
    const std::string name = std::to_string(place->get());
    const int number = ::openat(descriptors_.get(), name.c_str(), O_RDONLY | O_CLOEXEC);
    return number < 0 ? Result<Fd>{fail(failure(path))} : Fd{number};
}

Result<struct stat> LocalDirectory::status_of(const Fd& file, const std::string& path) const {
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) {
        return fail(failure(path));
    }
    return status;
}

}  // namespace lazybuild::files
