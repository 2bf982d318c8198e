// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/disk_usage.h"

#include <fts.h>
#include <sys/stat.h>

#include <memory>
#include <set>
#include <utility>

namespace lazybuild::service {
namespace {

constexpr std::uint64_t kStatBlockBytes = 512;  // of st_blocks, whatever the file system's block is

}  // namespace

Result<store::Usage> disk_usage(const std::string& directory) {
    std::string path = directory;
    char* const roots[] = {path.data(), nullptr};
    const std::unique_ptr<FTS, int (*)(FTS*)> walk{
        ::fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, nullptr), ::fts_close};
    if (walk == nullptr) {
        return fail(errno_error("walk " + directory));
    }
    store::Usage usage;
    std::set<std::pair<dev_t, ino_t>> linked;
    while (true) {
        errno = 0;
        const FTSENT* entry = ::fts_read(walk.get());
        if (entry == nullptr) {
            if (errno != 0) {
                return fail(errno_error("walk " + directory));
            }
            return usage;
        }
        switch (entry->fts_info) {
            case FTS_DP: continue;  // a directory for the second time
            case FTS_DNR:
            case FTS_ERR:
            case FTS_NS:
                if (entry->fts_errno == ENOENT && entry->fts_level > FTS_ROOTLEVEL) {
                    continue;
                }
                return fail(errno_error(std::string("walk ") + entry->fts_path, entry->fts_errno));
            default: break;
        }
        const struct stat& status = *entry->fts_statp;
        const bool is_directory = entry->fts_info == FTS_D;
        if (!is_directory && status.st_nlink > 1 &&
            !linked.emplace(status.st_dev, status.st_ino).second) {
            continue;
        }
        usage.size_bytes += static_cast<std::uint64_t>(status.st_blocks) * kStatBlockBytes;
        ++usage.inodes;
    }
}

}  // namespace lazybuild::service
