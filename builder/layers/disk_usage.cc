// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/disk_usage.h"

#include <fts.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <set>
#include <system_error>

namespace lazybuild::layers {
namespace {

constexpr std::uint64_t kStatBlockBytes = 512;  // whatever the file system's block is
constexpr std::size_t kNamesMax = 10'000'000;

namespace files = std::filesystem;

struct CloseWalk {
    void operator()(FTS* walk) const { ::fts_close(walk); }
};

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
    std::string top = path;
    char* const tops[] = {top.data(), nullptr};
    const std::unique_ptr<FTS, CloseWalk> walk{
        ::fts_open(tops, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr)};
    if (walk == nullptr) {
        return fail(errno_error("measure " + path));
    }
    std::set<ino_t> linked;  // of several names one counts
    while (const FTSENT* const entry = ::fts_read(walk.get())) {
        // What has no status has gone meanwhile. Of a mount point, the directory below it counts
        // for nothing here: nobody can see it.
        if (entry->fts_info == FTS_DP || entry->fts_info == FTS_NS || entry->fts_info == FTS_ERR ||
            entry->fts_statp->st_dev != status.st_dev) {
            continue;
        }
        const struct stat& found = *entry->fts_statp;
        if (S_ISDIR(found.st_mode) || found.st_nlink == 1 || linked.insert(found.st_ino).second) {
            use.size_bytes += static_cast<std::uint64_t>(found.st_blocks) * kStatBlockBytes;
        }
    }
    return use;
}

}  // namespace lazybuild::layers
