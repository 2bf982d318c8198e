// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/cache_mounts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "base/file.h"
#include "builder/exec/cache_lock.h"
#include "builder/layers/disk_usage.h"
#include "codec/sha256.h"

namespace lazybuild::exec {
namespace {

using codec::FileType;
using graph::RunMount;
using layers::FileInfo;

constexpr unsigned kPrivateTreesMax = 1024;
constexpr std::string_view kGoing = ".going";  // no digest ends like this

Result<void> set_owner_and_mode(int fd, std::uint32_t uid, std::uint32_t gid, std::uint32_t mode) {
    if (::fchown(fd, uid, gid) != 0 || ::fchmod(fd, mode & 07777) != 0) {
        return fail(errno_error("owner and mode"));
    }
    return {};
}

/// Complete or not there: it gets its name last.
Result<Fd> open_tree(const std::string& directory, const std::string& name,
                     const CacheRequest& request) {
    const std::string path = directory + "/" + name;
    constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    if (auto there = open_file(path, kFlags);
        there || there.error().code != std::errc::no_such_file_or_directory) {
        return there;
    }
    // Steps that share a cache come here at the same time.
    TRY(const Fd making, lock_making(directory, request.cancel));
    if (auto there = open_file(path, kFlags)) {
        return there;
    }
    const std::string temporary = path + ".new";
    CHECK_OK(remove_tree(temporary));
    CHECK_OK(make_directories(temporary, 0700));
    TRY(Fd made, open_file(temporary, kFlags));
    const RunMount& mount = request.mount;
    CHECK_OK(set_owner_and_mode(made.get(), mount.uid.value_or(0), mount.gid.value_or(0),
                                mount.mode.value_or(0755)));
    if (request.seed && request.seed->files != nullptr) {
        CHECK_OK(copy_tree(*request.seed->files, request.seed->source, made.get()));
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
        return fail(errno_error("rename " + temporary));
    }
    return made;
}

class TreeCopier {
  public:
    explicit TreeCopier(layers::FileSource& files) : files_(files) {}

    Result<void> directory(const std::string& source, int target) {
        TRY(const std::vector<std::string> names, files_.list(source));
        for (const std::string& name : names) {
            const std::string path = source.empty() ? name : source + "/" + name;
            TRY(const auto info, files_.look(path));
            if (!info) {
                continue;
            }
            if (auto copied = one(path, name, *info, target); !copied) {
                return fail(std::move(copied).error().context("/" + path));
            }
        }
        return {};
    }

  private:
    Result<void> one(const std::string& path, const std::string& name, const FileInfo& info,
                     int target) {
        switch (info.type) {
            case FileType::directory: {
                if (::mkdirat(target, name.c_str(), 0700) != 0) {
                    return fail(errno_error("mkdir"));
                }
                const Fd made{::openat(target, name.c_str(),
                                       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
                if (!made) {
                    return fail(errno_error("open"));
                }
                CHECK_OK(directory(path, made.get()));
                return finish(made.get(), info);
            }
            case FileType::regular: return regular(path, name, info, target);
            case FileType::symlink:
                if (::symlinkat(info.link_target.c_str(), target, name.c_str()) != 0 ||
                    ::fchownat(target, name.c_str(), info.uid, info.gid, AT_SYMLINK_NOFOLLOW) !=
                        0) {
                    return fail(errno_error("symlink"));
                }
                return {};
            default: return {};
        }
    }

    Result<void> regular(const std::string& path, const std::string& name, const FileInfo& info,
                         int target) {
        const Fd made{::openat(target, name.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
        if (!made) {
            return fail(errno_error("create"));
        }
        TRY(const auto content, files_.open(path));
        Bytes buffer(std::size_t{256} << 10);
        for (;;) {
            TRY(const std::size_t bytes, content->read(buffer));
            if (bytes == 0) {
                return finish(made.get(), info);
            }
            CHECK_OK(write_all(made.get(), MutableByteView{buffer}.first(bytes)));
        }
    }

    static Result<void> finish(int fd, const FileInfo& info) {
        CHECK_OK(set_owner_and_mode(fd, info.uid, info.gid, info.mode));
        for (const codec::Xattr& xattr : info.xattrs) {
            if (::fsetxattr(fd, xattr.name.c_str(), xattr.value.data(), xattr.value.size(), 0) !=
                0) {
                return fail(errno_error("xattr " + xattr.name));
            }
        }
        const std::array<timespec, 2> times = {timespec{.tv_sec = info.mtime_s, .tv_nsec = 0},
                                               timespec{.tv_sec = info.mtime_s, .tv_nsec = 0}};
        return ::futimens(fd, times.data()) == 0 ? Result<void>{} : fail(errno_error("times"));
    }

    layers::FileSource& files_;
};

std::string directory_of(const std::string& root, const std::string& name) {
    return root + "/cache-mounts/" + name;
}

Result<Fd> open_lock(const std::string& directory, const std::string& suffix) {
    CHECK_OK(make_directories(directory, 0700));
    return open_file(directory + "/lock" + suffix, O_RDWR | O_CREAT, 0600);
}

/// What a step sees, of a cache that it may have.
Result<CacheMount> open_cache(Fd lock, const std::string& directory, const std::string& suffix,
                              const CacheRequest& request) {
    // Only for `cache ls`: the same bytes from all who share it.
    const RunMount& mount = request.mount;
    CHECK_OK(pwrite_all(lock.get(), as_bytes(mount.id.substr(0, kCacheIdBytesMax)), 0));
    ::futimens(lock.get(), nullptr);
    CacheMount cache{.lock = std::move(lock),
                     .layered = {},
                     .place = {.key = cache_key(request),
                               .name = mount.id,
                               .directory = directory,
                               .suffix = suffix,
                               .mode = mount.mode.value_or(0755),
                               .uid = mount.uid.value_or(0),
                               .gid = mount.gid.value_or(0)},
                     .tree = {}};
    if (request.layered != nullptr) {
        TRY(cache.layered, request.layered->open(cache.place, request.cancel));
    }
    if (cache.layered == nullptr) {
        TRY(cache.tree, open_tree(directory, "tree" + suffix, request));
        return cache;
    }
    cache.failed_before = cache.layered->failed_reads();
    TRY(cache.tree, open_file(cache.layered->target(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    return cache;
}

Result<CacheMount> acquire_private(const std::string& directory, const CacheRequest& request) {
    for (unsigned number = 0; number < kPrivateTreesMax; ++number) {
        const std::string suffix = number == 0 ? "" : fmt::format("-{}", number);
        TRY(Fd lock, open_lock(directory, suffix));
        TRY(const bool locked, try_lock(lock.get(), LOCK_EX));
        if (locked && is_there(lock.get())) {
            return open_cache(std::move(lock), directory, suffix, request);
        }
    }
    return fail(over_limit(fmt::format("cache {}: more than {} private copies in use",
                                       request.mount.id, kPrivateTreesMax)));
}

/// What is locked while it is looked at or removed.
struct Locks {
    std::vector<Fd> held;
    bool complete = true;  ///< nobody else has one
    std::int64_t used_s = 0;
    std::string id;
};
Result<Locks> lock_all(const std::string& directory) {
    Locks locks;
    TRY(const std::vector<std::string> names, layers::names_in(directory));
    for (const std::string& name : names) {
        if (!name.starts_with("lock")) {
            continue;
        }
        TRY(Fd lock, open_file(directory + "/" + name, O_RDWR | O_NOFOLLOW));
        TRY(const bool locked, try_lock(lock.get(), LOCK_EX));
        locks.complete = locks.complete && locked;
        struct stat status{};
        if (::fstat(lock.get(), &status) == 0) {
            locks.used_s = std::max<std::int64_t>(locks.used_s, status.st_mtim.tv_sec);
        }
        Bytes id(kCacheIdBytesMax);
        TRY(const std::size_t id_bytes, pread_full(lock.get(), id, 0));
        locks.id = as_text(ByteView{id}.first(id_bytes));
        locks.held.push_back(std::move(lock));
    }
    return locks;
}

}  // namespace

codec::Digest cache_key(const CacheRequest& request) {
    // Strings that follow one another cannot be mistaken for others: each ends with NUL, and none
    // holds one.
    codec::Sha256 hash;
    const auto add = [&hash](std::string_view text) {
        hash.update(as_bytes(text));
        hash.update(as_bytes(std::string_view{"\0", 1}));
    };
    add("cache mount");
    add(request.mount.id);
    if (request.seed) {
        add(request.seed->identity);
        add(request.seed->source);
    }
    return hash.finish();
}

std::string cache_directory(const std::string& root, const codec::Digest& key) {
    return directory_of(root, key.hex());
}

Result<CacheMount> acquire_cache(const CacheRequest& request) {
    const std::string directory = cache_directory(request.root, cache_key(request));
    if (request.mount.sharing == RunMount::Sharing::private_) {
        return acquire_private(directory, request);
    }
    const int how = request.mount.sharing == RunMount::Sharing::locked ? LOCK_EX : LOCK_SH;
    for (;;) {
        TRY(Fd lock, open_lock(directory, ""));
        CHECK_OK(wait_for_lock(lock.get(), how, request.cancel));
        if (!is_there(lock.get())) {
            continue;  // it was removed meanwhile
        }
        return open_cache(std::move(lock), directory, "", request);
    }
}

Result<std::vector<CacheUsage>> cache_usage(const std::string& root) {
    std::vector<CacheUsage> all;
    TRY(const std::vector<std::string> names, layers::names_in(directory_of(root, "")));
    for (const std::string& name : names) {
        const auto use = layers::measure(directory_of(root, name));
        const auto locks = lock_all(directory_of(root, name));
        if (use && locks) {  // otherwise it is going
            all.push_back({.name = name,
                           .id = locks->id,
                           .size_bytes = use->size_bytes,
                           .used_s = locks->used_s,
                           .in_use = !locks->complete});
        }
    }
    return all;
}

Result<void> remove_cache(const std::string& root, const std::string& name) {
    const std::string directory = directory_of(root, name);
    TRY(const Locks locks, lock_all(directory));
    if (!locks.complete) {
        return fail(Error{std::errc::device_or_resource_busy,
                          fmt::format("cache mount {}: a step uses it", name)});
    }
    // Under another name first: half of a cache is none, and whoever waits for a lock makes it
    // anew.
    const std::string going = directory + std::string(kGoing);
    CHECK_OK(remove_tree(going));
    if (::rename(directory.c_str(), going.c_str()) != 0 && errno != ENOENT) {
        return fail(errno_error("rename " + directory));
    }
    return remove_tree(going);
}

Result<void> copy_tree(layers::FileSource& files, const std::string& source, int target) {
    TRY(const auto info, files.look(source));
    if (!info || info->type != FileType::directory) {
        return fail(Error{std::errc::no_such_file_or_directory,
                          fmt::format("\"/{}\": not found, or no directory", source)});
    }
    return TreeCopier{files}.directory(source, target);
}

}  // namespace lazybuild::exec
