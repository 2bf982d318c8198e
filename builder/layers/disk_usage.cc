// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/disk_usage.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace lazybuild::layers {
namespace {

constexpr std::uint64_t kStatBlockBytes = 512;  // whatever the file system's block is
constexpr std::size_t kNamesMax = 10'000'000;

namespace files = std::filesystem;

void add(const std::string& path, DiskUse& use) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) == 0) {
        use.size_bytes += static_cast<std::uint64_t>(status.st_blocks) * kStatBlockBytes;
    }
}

}  // namespace

Result<std::vector<std::string>> names_in(const std::string& directory) {
    std::vector<std::string> names;
    std::error_code failure;
    files::directory_iterator entry{directory, failure};
    for (; !failure && entry != files::directory_iterator{}; entry.increment(failure)) {
        names.push_back(entry->path().filename().string());
        if (names.size() > kNamesMax) {
            return fail(over_limit(directory + ": too many names"));
        }
    }
    if (failure && failure != std::errc::no_such_file_or_directory) {
        return fail(errno_error("list " + directory, failure.value()));
    }
    std::ranges::sort(names);
    return names;
}

Result<DiskUse> measure(const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) {
        return fail(errno_error(path));
    }
    DiskUse use{.size_bytes = 0, .changed_s = status.st_mtim.tv_sec};
    add(path, use);
    std::error_code failure;
    files::recursive_directory_iterator entry{path, failure};
    for (; !failure && entry != files::recursive_directory_iterator{}; entry.increment(failure)) {
        add(entry->path().string(), use);
    }
    if (failure && failure != std::errc::no_such_file_or_directory &&
        failure != std::errc::not_a_directory) {
        return fail(errno_error("measure " + path, failure.value()));
    }
    return use;
}

}  // namespace lazybuild::layers
