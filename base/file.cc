// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string_view>

namespace lazybuild {
namespace {

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) {
        return ".";
    }
    return slash == 0 ? "/" : path.substr(0, slash);
}

/// Removes the trees below one directory, by descriptors: names may be longer than any path that
/// the kernel takes, and deeper than there are descriptors.
class TreeRemoval {
  public:
    explicit TreeRemoval(int top) : top_(top) {}

    /// 0, or an errno.
    int run() {
        int failure = 0;
        do {
            moved_ = false;
            failure = clear(top_, 0);
        } while (failure == 0 && moved_);
        return failure;
    }

  private:
    static constexpr unsigned kDepthMax = 100;

    struct CloseDirectory {
        void operator()(DIR* directory) const { ::closedir(directory); }
    };

    int clear(int directory, unsigned depth) {
        const int listed = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const std::unique_ptr<DIR, CloseDirectory> names{listed < 0 ? nullptr
                                                                    : ::fdopendir(listed)};
        if (names == nullptr) {
            return errno;
        }
        for (;;) {
            errno = 0;
            const dirent* const entry = ::readdir(names.get());
            if (entry == nullptr) {
                return errno;
            }
            const std::string_view name = entry->d_name;
            if (name == "." || name == ".." || ::unlinkat(directory, entry->d_name, 0) == 0 ||
                errno == ENOENT) {
                continue;
            }
            const int failure = errno == EISDIR || errno == EPERM
                                    ? remove_directory(directory, entry->d_name, depth)
                                    : errno;
            if (failure != 0 && failure != ENOENT) {
                return failure;
            }
        }
    }

    int remove_directory(int parent, const char* name, unsigned depth) {
        if (depth == kDepthMax) {
            return move_up(parent, name);
        }
        const Fd child{::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
        struct stat status{};
        struct stat above{};
        if (!child || ::fstat(child.get(), &status) != 0 || ::fstat(parent, &above) != 0) {
            return errno;
        }
        if (status.st_dev != above.st_dev) {
            return EBUSY;  // somebody has mounted something there
        }
        if (const int failure = clear(child.get(), depth + 1); failure != 0) {
            return failure;
        }
        return ::unlinkat(parent, name, AT_REMOVEDIR) == 0 ? 0 : errno;
    }

    /// It is looked at again, from the top.
    int move_up(int parent, const char* name) {
        moved_ = true;
        while (::renameat2(parent, name, top_, fmt::format("deep-{}", ++moves_).c_str(),
                           RENAME_NOREPLACE) != 0) {
            if (errno != EEXIST) {
                return errno;
            }
        }
        return 0;
    }

    const int top_;
    bool moved_ = false;
    std::size_t moves_ = 0;
};

}  // namespace

Result<Fd> open_file(const std::string& path, int flags, unsigned mode) {
    const int number = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (number < 0) {
        return fail(errno_error("open " + path));
    }
    return Fd{number};
}

Result<std::string> read_file(const std::string& path, std::uint64_t limit_bytes) {
    TRY(Fd file, open_file(path, O_RDONLY));
    std::string text;
    Bytes buffer(64 * 1024);
    FdSource source{file.get()};
    while (true) {
        auto count = source.read(buffer);
        if (!count) {
            return fail(std::move(count).error().context(path));
        }
        if (*count == 0) {
            return text;
        }
        if (text.size() + *count > limit_bytes) {
            return fail(over_limit(fmt::format("{}: larger than {} bytes", path, limit_bytes)));
        }
        text += as_text(ByteView{buffer}.first(*count));
    }
}

Result<void> replace_file(const std::string& path, ByteView content, unsigned mode) {
    static std::atomic<unsigned> counter{0};
    const std::string temporary = fmt::format("{}.{}.{}.tmp", path, ::getpid(), counter++);
    TRY(Fd file, open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, mode));
    auto written = write_all(file.get(), content);
    if (written && ::fsync(file.get()) != 0) {
        written = fail(errno_error("fsync"));
    }
    if (written && ::rename(temporary.c_str(), path.c_str()) != 0) {
        written = fail(errno_error("rename"));
    }
    if (!written) {
        ::unlink(temporary.c_str());
        return fail(std::move(written).error().context("replace " + path));
    }
    return sync_directory(parent_of(path));
}

Result<void> make_directories(const std::string& path, unsigned mode) {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
        const std::string part = path.substr(0, end);
        if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST) {
            return fail(errno_error("mkdir " + part));
        }
        if (end == std::string::npos) {
            break;
        }
    }
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
        return fail(errno_error("stat " + path));
    }
    if (!S_ISDIR(status.st_mode)) {
        return fail(errno_error("mkdir " + path, ENOTDIR));
    }
    return {};
}

Result<void> remove_tree(const std::string& path) {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) {
        return {};
    }
    if (errno != EISDIR && errno != EPERM) {
        return fail(errno_error("remove " + path));
    }
    const Fd top{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    int failure = top ? TreeRemoval{top.get()}.run() : errno;
    if (failure == 0 && ::rmdir(path.c_str()) != 0) {
        failure = errno;
    }
    if (failure != 0 && failure != ENOENT) {
        return fail(errno_error("remove " + path, failure));
    }
    return {};
}

Result<Fd> open_temporary(const std::string& directory) {
    return open_file(directory, O_TMPFILE | O_RDWR, 0600);
}

Result<void> sync_directory(const std::string& path) {
    TRY(Fd directory, open_file(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(directory.get()) != 0) {
        return fail(errno_error("fsync " + path));
    }
    return {};
}

}  // namespace lazybuild
