// SPDX-License-Identifier: Apache-2.0
// One directory is open at a time, found again from the root by its path: a tree may be deeper than
// a process may have descriptors.
#include "builder/exec/upper_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/file.h"
#include "codec/file_type.h"
#include "codec/sha256.h"

namespace lazybuild::exec {
namespace {

using codec::FileType;
using codec::LayerEntry;
using layers::FileInfo;

constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kOpaqueName = ".wh..wh..opq";
constexpr const char* kOpaqueXattr = "trusted.overlay.opaque";

bool belongs_in_layer(std::string_view xattr) {
    return (xattr.starts_with("user.") && !xattr.starts_with("user.overlay.")) ||
           (xattr.starts_with("security.") && xattr != "security.selinux") ||
           xattr == "system.posix_acl_access" || xattr == "system.posix_acl_default";
}

/// One value, or the list of names when `name` is null, of a path that ends in a magic link's
/// directory and one component, which is not followed.
Result<std::string> read_xattr(const std::string& path, const char* name) {
    std::string value(codec::kXattrBytesMax, '\0');
    const ssize_t bytes = name == nullptr
                              ? ::llistxattr(path.c_str(), value.data(), value.size())
                              : ::lgetxattr(path.c_str(), name, value.data(), value.size());
    if (bytes < 0) {
        return fail(errno_error("xattrs"));
    }
    value.resize(static_cast<std::size_t>(bytes));
    return value;
}

/// One name of the upper directory.
struct Found {
    std::string path;
    std::string name;
    LayerEntry entry;
    bool opaque = false;
    bool whiteout = false;
    std::uint64_t inode = 0;  ///< 0: it has no other name
};

bool same_xattrs(const std::vector<codec::Xattr>& a, const std::vector<codec::Xattr>& b) {
    return std::ranges::equal(a, b, [](const codec::Xattr& x, const codec::Xattr& y) {
        return x.name == y.name && x.value == y.value;
    });
}

bool same_attributes(const LayerEntry& entry, const FileInfo& info) {
    return entry.type == info.type && entry.mode == info.mode && entry.uid == info.uid &&
           entry.gid == info.gid && entry.mtime_s == info.mtime_s &&
           (entry.type != FileType::regular || entry.size_bytes == info.size_bytes) &&
           entry.device_major == info.device_major && entry.device_minor == info.device_minor &&
           (entry.type != FileType::symlink || entry.link_target == info.link_target) &&
           same_xattrs(entry.xattrs, info.xattrs);
}

class UpperReader {
  public:
    UpperReader(const UpperOptions& options,
                const std::function<Result<std::unique_ptr<layers::LayerMaker>>()>& make_layer)
        : options_(options), make_layer_(make_layer) {}

    Result<layers::LayerPointer> run() {
        TRY(root_, open_file(options_.upper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        CHECK_OK(walk("", false));
        if (maker_ == nullptr) {
            return layers::LayerPointer{};
        }
        return maker_->finish();
    }

  private:
    /// `hidden`: nothing below shows through here.
    Result<void> walk(const std::string& path, bool hidden) {
        TRY(const std::vector<Found> all, read_directory(path));
        for (const Found& found : all) {
            CHECK_OK(visit(found, hidden));
        }
        return options_.complete && !hidden ? put_deletions(path, all) : Result<void>{};
    }

    /// Of what is below, and not among `all` that there is.
    Result<void> put_deletions(const std::string& path, const std::vector<Found>& all) {
        TRY(const auto below, options_.below.look(path));
        if (!below || below->type != FileType::directory) {
            return {};
        }
        TRY(const std::vector<std::string> names, options_.below.list(path));
        for (const std::string& name : names) {
            if (!std::ranges::binary_search(all, name, {}, &Found::name)) {
                CHECK_OK(put({.path = (path.empty() ? "" : path + "/") +
                                      std::string{kWhiteoutPrefix} + name},
                             nullptr));
            }
        }
        return {};
    }

    Result<void> visit(const Found& found, bool hidden) {
        if (found.whiteout) {
            return put({.path = sibling(found, std::string{kWhiteoutPrefix} + found.name)},
                       nullptr);
        }
        if (found.name.starts_with(kWhiteoutPrefix)) {
            return fail(invalid(fmt::format(
                "/{}: names that begin with .wh. mean something else in a layer", found.path)));
        }
        if (found.entry.type == FileType::directory) {
            return visit_directory(found, hidden);
        }
        if (options_.made_by_us.contains(found.path) && found.entry.type == FileType::regular &&
            found.entry.size_bytes == 0) {
            return {};
        }
        TRY(const bool unchanged, is_unchanged(found, hidden));
        if (unchanged) {
            return {};
        }
        if (found.inode != 0) {
            const auto [first, is_new] = names_.try_emplace(found.inode, found.path);
            if (!is_new) {
                LayerEntry link = found.entry;
                link.kind = LayerEntry::Kind::hardlink;
                link.link_target = first->second;
                link.size_bytes = 0;
                return put(std::move(link), nullptr);
            }
        }
        if (found.entry.type != FileType::regular || found.entry.size_bytes == 0) {
            return put(found.entry, nullptr);
        }
        TRY(const Fd file, open_regular(found));
        FdSource content{file.get()};
        return put(found.entry, &content);
    }

    /// Its own entry is put when something in it is, or when it is not what it was.
    Result<void> visit_directory(const Found& found, bool hidden) {
        TRY(const bool unchanged, is_unchanged(found, hidden));
        const bool ours = options_.made_by_us.contains(found.path);
        pending_.push_back(found.entry);
        if (found.opaque || (!unchanged && !ours)) {
            CHECK_OK(put_pending());
        }
        if (found.opaque) {
            CHECK_OK(put({.path = found.path + "/" + std::string{kOpaqueName}}, nullptr));
        }
        CHECK_OK(walk(found.path, hidden || found.opaque));
        if (!pending_.empty()) {
            pending_.pop_back();
        }
        return {};
    }

    /// As it is below: copied up, then left as it was.
    Result<bool> is_unchanged(const Found& found, bool hidden) {
        if (hidden || found.opaque || found.inode != 0) {
            return false;
        }
        TRY(const auto below, options_.below.look(found.path));
        if (!below || !same_attributes(found.entry, *below)) {
            return false;
        }
        if (found.entry.type != FileType::regular || found.entry.size_bytes == 0) {
            return true;
        }
        TRY(const layers::ContentDigest digest, options_.below.digest(found.path));
        TRY(const Fd file, open_regular(found));
        codec::Sha256 hash;
        Bytes buffer(std::size_t{256} << 10);
        for (FdSource content{file.get()};;) {
            TRY(const std::size_t bytes, content.read(buffer));
            if (bytes == 0) {
                return digest.verified && hash.finish() == digest.digest;
            }
            hash.update(MutableByteView{buffer}.first(bytes));
        }
    }

    Result<void> put_pending() {
        for (LayerEntry& directory : std::exchange(pending_, {})) {
            CHECK_OK(add(std::move(directory), nullptr));
        }
        return {};
    }

    Result<void> put(LayerEntry entry, ByteSource* content) {
        CHECK_OK(put_pending());
        return add(std::move(entry), content);
    }

    Result<void> add(LayerEntry entry, ByteSource* content) {
        if (maker_ == nullptr) {
            TRY(maker_, make_layer_());
        }
        return maker_->add(std::move(entry), content);
    }

    static std::string sibling(const Found& found, const std::string& name) {
        return found.path.substr(0, found.path.size() - found.name.size()) + name;
    }

    Result<Fd> open_inside(const std::string& path, int flags) const {
        open_how how{};
        how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
        Fd fd{static_cast<int>(::syscall(SYS_openat2, root_.get(),
                                         path.empty() ? "." : path.c_str(), &how, sizeof how))};
        if (!fd) {
            return fail(errno_error("/" + path));
        }
        return fd;
    }

    Result<Fd> open_regular(const Found& found) const { return open_inside(found.path, O_RDONLY); }

    Result<std::vector<Found>> read_directory(const std::string& path) const {
        if (path.size() >= codec::kPathBytesMax) {
            return fail(over_limit(fmt::format("/{}…: a path of more than {} bytes",
                                               path.substr(0, 100), codec::kPathBytesMax)));
        }
        TRY(Fd fd, open_inside(path, O_RDONLY | O_DIRECTORY));
        std::vector<Found> all;
        DIR* stream = ::fdopendir(fd.get());
        if (stream == nullptr) {
            return fail(errno_error("/" + path));
        }
        static_cast<void>(fd.release());
        Result<void> result;
        errno = 0;
        for (const dirent* entry = ::readdir(stream); entry != nullptr && result;
             entry = ::readdir(stream)) {
            const std::string name = entry->d_name;
            if (name != "." && name != "..") {
                result = look(path, ::dirfd(stream), name, all);
                if (result && !all.empty() && all.back().name == name && !is_wanted(all.back())) {
                    all.pop_back();
                }
            }
            errno = 0;
        }
        if (result && errno != 0) {
            result = fail(errno_error("read /" + path));
        }
        ::closedir(stream);
        CHECK_OK(result);
        std::ranges::sort(all, {}, &Found::name);
        return all;
    }

    bool is_wanted(const Found& found) const {
        if (found.whiteout) {
            return !options_.complete;  // a device node like others
        }
        const FileType type = found.entry.type;
        return !options_.files_only || type == FileType::regular || type == FileType::directory ||
               type == FileType::symlink;
    }

    static Result<void> look(const std::string& parent, int directory, const std::string& name,
                             std::vector<Found>& all) {
        Found found{.path = parent.empty() ? name : parent + "/" + name, .name = name};
        struct stat status{};
        if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            return fail(errno_error("/" + found.path));
        }
        const auto type = codec::file_type_of(status.st_mode);
        if (!type) {
            return {};
        }
        found.whiteout = *type == FileType::character && status.st_rdev == 0;
        found.inode = *type != FileType::directory && status.st_nlink > 1 ? status.st_ino : 0;
        found.entry = {.type = *type,
                       .path = found.path,
                       .mode = status.st_mode & 07777,
                       .uid = status.st_uid,
                       .gid = status.st_gid,
                       .mtime_s = std::max<std::int64_t>(status.st_mtim.tv_sec, 0)};
        if (*type == FileType::regular) {
            found.entry.size_bytes = static_cast<std::uint64_t>(status.st_size);
        } else if (*type == FileType::character || *type == FileType::block) {
            found.entry.device_major = major(status.st_rdev);
            found.entry.device_minor = minor(status.st_rdev);
        } else if (*type == FileType::symlink) {
            std::string target(codec::kPathBytesMax, '\0');
            const ssize_t bytes =
                ::readlinkat(directory, name.c_str(), target.data(), target.size());
            if (bytes < 0) {
                return fail(errno_error("readlink /" + found.path));
            }
            target.resize(static_cast<std::size_t>(bytes));
            found.entry.link_target = std::move(target);
        }
        if (!found.whiteout) {
            CHECK_OK(read_xattrs(directory, found));
        }
        all.push_back(std::move(found));
        return {};
    }

    static Result<void> read_xattrs(int directory, Found& found) {
        const std::string path = fmt::format("/proc/self/fd/{}/{}", directory, found.name);
        auto names = read_xattr(path, nullptr);
        if (!names) {
            return fail(std::move(names).error().context("/" + found.path));
        }
        for (std::string_view rest = *names; !rest.empty();) {
            const std::string name{rest.substr(0, std::min(rest.find('\0'), rest.size()))};
            rest.remove_prefix(std::min(name.size() + 1, rest.size()));
            if (name != kOpaqueXattr && !belongs_in_layer(name)) {
                continue;
            }
            auto value = read_xattr(path, name.c_str());
            if (!value) {
                return fail(std::move(value).error().context("/" + found.path));
            }
            if (name == kOpaqueXattr) {
                found.opaque = *value == "y";
            } else {
                found.entry.xattrs.push_back({.name = name, .value = *std::move(value)});
            }
        }
        std::ranges::sort(found.entry.xattrs, {}, &codec::Xattr::name);
        return {};
    }

    const UpperOptions& options_;
    const std::function<Result<std::unique_ptr<layers::LayerMaker>>()>& make_layer_;
    Fd root_;
    std::unique_ptr<layers::LayerMaker> maker_;
    std::vector<LayerEntry> pending_;  ///< directories on the way here that have not been put yet
    std::map<std::uint64_t, std::string> names_;  ///< of files with several, by inode
};

}  // namespace

Result<layers::LayerPointer> read_upper(
    const UpperOptions& options,
    const std::function<Result<std::unique_ptr<layers::LayerMaker>>()>& make_layer) {
    return UpperReader{options, make_layer}.run();
}

}  // namespace lazybuild::exec
