// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>

namespace lazybuild {
namespace {

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) {
        return ".";
    }
    return slash == 0 ? "/" : path.substr(0, slash);
}

int remove_entry(const char* path, const struct stat* /*status*/, int /*kind*/,
                 struct FTW* /*walk*/) {
    return ::remove(path);
}

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
    constexpr int kOpenDirectoriesMax = 64;
    if (::nftw(path.c_str(), remove_entry, kOpenDirectoriesMax, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) !=
            0 &&
        errno != ENOENT) {
        return fail(errno_error("remove " + path));
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
