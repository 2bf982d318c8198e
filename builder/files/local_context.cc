// SPDX-License-Identifier: Apache-2.0
// A directory of the host as a FileSource. What has been looked at once stays as it was seen then,
// for the whole build, so that all steps agree on it; and what is hashed or copied later must still
// be what was seen, or the build fails instead of making a layer under another's key.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "builder/dockerfile/ignore.h"
#include "builder/files/context.h"
#include "builder/files/hash_files.h"
#include "builder/files/local_directory.h"
#include "builder/files/local_view.h"
#include "builder/files/payload.h"
#include "builder/files/stat_index.h"
#include "codec/file_type.h"
#include "codec/lexical_path.h"

namespace lazybuild::files {
namespace {

using codec::FileType;
using layers::FileInfo;

constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;

std::string join(std::string_view directory, std::string_view name) {
    std::string path{directory};
    path += path.empty() ? "" : "/";
    path += name;
    return path;
}

std::int64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::int64_t>(now.tv_sec) * kNanosecondsPerSecond + now.tv_nsec;
}

class LocalContext final : public layers::FileSource {
  public:
    LocalContext(LocalDirectory directory, const LocalView& view, dockerfile::IgnorePatterns ignore,
                 std::string ignore_name, std::optional<StatIndex> index, Workers* workers)
        : directory_(std::move(directory)),
          view_(view),
          ignore_(std::move(ignore)),
          ignore_name_(std::move(ignore_name)),
          index_(std::move(index)),
          workers_(workers) {}
    ~LocalContext() override;

    Result<std::optional<FileInfo>> look(std::string_view path) override;
    Result<std::vector<std::string>> list(std::string_view path) override;
    Result<layers::ContentDigest> digest(std::string_view path) override;
    Result<std::vector<layers::ContentDigest>> digests(
        const std::vector<std::string>& paths) override;
    Result<std::unique_ptr<ByteSource>> open(std::string_view path) override;
    std::string explain_absence(std::string_view path) override;

  private:
    struct Seen {
        std::optional<FileInfo> info;  // nullopt: there is nothing
        FileStamp stamp;
        std::optional<codec::Digest> content;
        bool raw = false;  // the info is not complete: xattrs, a link's target
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };

    bool has_visible_file(const std::string& directory);
    Result<Seen*> see(std::string_view path);
    Seen& keep(const std::string& path, const struct stat& status);
    Result<void> complete(const std::string& path, Seen& seen);
    Result<std::vector<std::string>> list_locked(std::string_view path);
    Result<void> hash(const std::vector<std::string>& paths);

    const LocalDirectory directory_;
    const LocalView view_;
    const dockerfile::IgnorePatterns ignore_;
    const std::string ignore_name_;
    std::mutex mutex_;  // guards what follows
    std::optional<StatIndex> index_;
    Workers* const workers_;
    std::unordered_map<std::string, Seen, Hash, std::equal_to<>> seen_;
    std::map<std::pair<dev_t, ino_t>, std::uint64_t> inodes_;  // of files with several names
};

LocalContext::~LocalContext() {
    if (!index_) {
        return;
    }
    if (auto saved = index_->save(); !saved) {
        log::debug("the stat index is not written", {{"error", saved.error().message}});
    }
}

LocalContext::Seen& LocalContext::keep(const std::string& path, const struct stat& status) {
    Seen seen;
    const std::optional<FileType> type = codec::file_type_of(status.st_mode);
    if (type) {
        seen.stamp = stamp_of(status);
        FileInfo info;
        info.type = *type;
        info.mode = *type == FileType::symlink ? 0777 : status.st_mode & 07777;
        if (view_.plain_modes && *type != FileType::symlink) {
            const bool program = *type == FileType::directory || (status.st_mode & S_IXUSR) != 0;
            info.mode = program ? 0755 : 0644;
        }
        info.mtime_s = view_.mtime_s.value_or(status.st_mtim.tv_sec);
        if (*type == FileType::regular) {
            info.size_bytes = seen.stamp.size_bytes;
        }
        if (*type == FileType::regular && status.st_nlink > 1) {
            const auto key = std::pair{status.st_dev, status.st_ino};
            info.inode = inodes_.emplace(key, inodes_.size() + 1).first->second;
        }
        if (*type == FileType::character || *type == FileType::block) {
            info.device_major = major(status.st_rdev);
            info.device_minor = minor(status.st_rdev);
        }
        seen.info = std::move(info);
        seen.raw = *type != FileType::fifo;
    }
    return seen_.emplace(path, std::move(seen)).first->second;
}

// What costs a system call for each file, unless an earlier build has made it.
Result<void> LocalContext::complete(const std::string& path, Seen& seen) {
    if (!std::exchange(seen.raw, false)) {
        return {};
    }
    if (seen.info->type == FileType::symlink) {
        TRY(seen.info->link_target, directory_.link_target(path));
        return {};
    }
    if (seen.info->type != FileType::regular && seen.info->type != FileType::directory) {
        return {};
    }
    const FileFacts* const known = index_ ? index_->find(path, seen.stamp) : nullptr;
    if (known != nullptr) {
        seen.info->xattrs = known->xattrs;
        seen.content = known->content;
        return {};
    }
    const std::int64_t taken_at_ns = now_ns();
    TRY(seen.info->xattrs, directory_.xattrs(path));
    if (index_ && seen.info->type == FileType::directory) {
        index_->remember(path, seen.stamp, FileFacts{.content = {}, .xattrs = seen.info->xattrs},
                         taken_at_ns);
    }
    return {};
}

// Whether an ignored directory has anything in it that a "!" pattern brings back.
bool LocalContext::has_visible_file(const std::string& directory) {
    const auto names = list_locked(directory);
    return names && !names->empty();
}

Result<LocalContext::Seen*> LocalContext::see(std::string_view path) {
    if (const auto known = seen_.find(path); known != seen_.end()) {
        if (known->second.info) {
            CHECK_OK(complete(known->first, known->second));
        }
        return &known->second;
    }
    const std::string name{path};
    if (!name.empty() && ignore_.excludes(name)) {
        TRY(const std::optional<struct stat> status,
            ignore_.excludes_all_of(name) ? std::optional<struct stat>{} : directory_.status(name));
        const bool visible = status && S_ISDIR(status->st_mode) && has_visible_file(name);
        if (!visible) {
            return &seen_.emplace(name, Seen{}).first->second;
        }
    }
    TRY(const std::optional<struct stat> status, directory_.status(name));
    if (!status) {
        return &seen_.emplace(name, Seen{}).first->second;
    }
    Seen& seen = keep(name, *status);
    CHECK_OK(complete(name, seen));
    return &seen;
}

Result<std::optional<FileInfo>> LocalContext::look(std::string_view path) {
    const std::lock_guard lock{mutex_};
    TRY(Seen* const seen, see(path));
    return seen->info;
}

Result<std::vector<std::string>> LocalContext::list(std::string_view path) {
    const std::lock_guard lock{mutex_};
    TRY(const Seen* const seen, see(path));
    if (!seen->info) {
        return fail(errno_error(path, ENOENT));
    }
    if (seen->info->type != FileType::directory) {
        return fail(errno_error(path, ENOTDIR));
    }
    return list_locked(path);
}

Result<std::vector<std::string>> LocalContext::list_locked(std::string_view path) {
    const std::string directory{path};
    TRY(std::vector<LocalDirectory::Child> children, directory_.children(directory));
    std::vector<std::string> names;
    names.reserve(children.size());
    for (LocalDirectory::Child& child : children) {
        std::string place = join(directory, child.name);
        if (!codec::file_type_of(child.status.st_mode)) {
            continue;
        }
        if (ignore_.excludes(place)) {
            const bool opened = S_ISDIR(child.status.st_mode) && !ignore_.excludes_all_of(place) &&
                                has_visible_file(place);
            if (!opened) {
                continue;
            }
        }
        if (!seen_.contains(place)) {
            keep(place, child.status);
        }
        names.push_back(std::move(child.name));
    }
    std::ranges::sort(names);
    return names;
}

Result<layers::ContentDigest> LocalContext::digest(std::string_view path) {
    TRY(const std::vector<layers::ContentDigest> all, digests({std::string{path}}));
    return all.front();
}

Result<std::vector<layers::ContentDigest>> LocalContext::digests(
    const std::vector<std::string>& paths) {
    const std::lock_guard lock{mutex_};
    std::vector<std::string> unknown;
    std::vector<const Seen*> wanted;
    wanted.reserve(paths.size());
    for (const std::string& path : paths) {
        TRY(const Seen* const seen, see(path));
        wanted.push_back(seen);
        if (!seen->info || seen->info->type != FileType::regular) {
            return fail(invalid(fmt::format("\"{}\" is not a regular file", path)));
        }
        if (!seen->content) {
            unknown.push_back(path);
        }
    }
    CHECK_OK(hash(unknown));
    std::vector<layers::ContentDigest> all;
    all.reserve(paths.size());
    for (const Seen* const seen : wanted) {
        all.push_back(layers::ContentDigest{.digest = *seen->content});
    }
    return all;
}

Result<void> LocalContext::hash(const std::vector<std::string>& paths) {
    if (paths.empty()) {
        return {};
    }
    std::vector<FileToHash> wanted;
    wanted.reserve(paths.size());
    for (const std::string& path : paths) {
        wanted.push_back(FileToHash{.path = path, .stamp = seen_.find(path)->second.stamp});
    }
    const std::int64_t taken_at_ns = now_ns();
    TRY(const std::vector<codec::Digest> digests, hash_files(directory_, wanted, workers_));
    for (std::size_t i = 0; i < paths.size(); ++i) {
        Seen& seen = seen_.find(paths[i])->second;
        seen.content = digests[i];
        if (index_) {
            index_->remember(paths[i], seen.stamp,
                             FileFacts{.content = digests[i], .xattrs = seen.info->xattrs},
                             taken_at_ns);
        }
    }
    return {};
}

Result<std::unique_ptr<ByteSource>> LocalContext::open(std::string_view path) {
    const std::string name{path};
    {
        const std::lock_guard lock{mutex_};
        TRY(const Seen* const seen, see(name));
        if (!seen->info) {
            return fail(errno_error(path, ENOENT));
        }
    }
    TRY(LocalDirectory::Opened opened, directory_.open_regular(name));
    return std::make_unique<FileContent>(std::move(opened.file));
}

std::string LocalContext::explain_absence(std::string_view path) {
    // The pattern may name a directory that the path is in.
    const dockerfile::IgnorePatterns::Verdict verdict = ignore_.verdict(path);
    return verdict.excluded ? fmt::format("excluded by {} line {}: {}", ignore_name_, verdict.line,
                                          verdict.pattern)
                            : std::string{};
}

// A cache that cannot be used is begun anew, or left alone: files are read, that is all.
std::optional<StatIndex> open_index(const LocalContextOptions& options,
                                    const LocalDirectory& directory) {
    if (options.stat_index.empty()) {
        return std::nullopt;
    }
    const StatIndex::Place place{.device = directory.root_status().st_dev,
                                 .inode = directory.root_status().st_ino,
                                 .path = options.directory};
    auto index = StatIndex::open(options.stat_index, place);
    if (!index && index.error().code == std::errc::bad_message) {
        for (const char* const suffix : {"", "-wal", "-shm"}) {
            ::unlink((options.stat_index + suffix).c_str());
        }
        index = StatIndex::open(options.stat_index, place);
    }
    if (!index) {
        log::warning("the stat index cannot be used: every file is read",
                     {{"path", options.stat_index}, {"error", index.error().message}});
        return std::nullopt;
    }
    return *std::move(index);
}

}  // namespace

Result<std::unique_ptr<layers::FileSource>> open_local_context(const LocalContextOptions& options) {
    return open_local_view(options, LocalView{});
}

Result<std::unique_ptr<layers::FileSource>> open_local_view(const LocalContextOptions& options,
                                                            const LocalView& view) {
    TRY(LocalDirectory directory, LocalDirectory::open(options.directory));
    TRY(dockerfile::IgnorePatterns ignore,
        dockerfile::IgnorePatterns::parse(options.ignore_text, options.ignore_name));
    std::optional<StatIndex> index = open_index(options, directory);
    return std::make_unique<LocalContext>(std::move(directory), view, std::move(ignore),
                                          options.ignore_name, std::move(index), options.workers);
}

}  // namespace lazybuild::files
