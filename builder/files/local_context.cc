// SPDX-License-Identifier: Apache-2.0
// A directory of the host as a FileSource. What has been looked at once stays as it was seen then,
// for the whole build, so that all steps agree on it; and what is hashed later must still be what
// was seen, or the build fails instead of making a layer under another's key. What is copied are
// the bytes that were hashed, kept until then, or others that hash to the same: the copy looks.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <mutex>
#include <thread>
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
/// Of files that were hashed, until they are copied: those of some ten thousand sources.
constexpr std::uint64_t kKeptBytesMax = 64 << 20;
/// More new rows are written to the stat index while the build goes on.
constexpr std::size_t kRowsAtTheEndMax = 1000;
/// Of expected files, before they are given to other threads.
constexpr std::size_t kBegunTogether = 256;

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
          workers_(workers),
          index_(std::move(index)) {}
    ~LocalContext() override;

    Result<std::optional<FileInfo>> look(std::string_view path) override;
    Result<std::vector<std::string>> list(std::string_view path) override;
    Result<layers::ContentDigest> digest(std::string_view path) override;
    Result<std::vector<layers::ContentDigest>> digests(
        const std::vector<std::string>& paths) override;
    void expect_digests(const std::vector<std::string>& paths) override;
    Result<std::unique_ptr<ByteSource>> open(std::string_view path) override;
    std::string explain_absence(std::string_view path) override;

  private:
    struct Seen {
        std::optional<FileInfo> info;  // nullopt: there is nothing
        FileStamp stamp;
        std::optional<codec::Digest> content;
        KeptBytes kept;         // for who opens it first
        bool raw = false;       // the info is not complete: xattrs, a link's target
        bool expected = false;  // it is in expected_ or begun_
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };

    using Named = std::pair<const std::string, Seen>;
    /// Where xattrs were asked for last: files are looked at directory by directory.
    struct OpenParent {
        std::string path;
        Fd file;
    };

    /// Files that are being hashed.
    struct Hashing {
        std::vector<Named*> files;
        std::shared_ptr<HashWork> work;
        std::uint64_t reserved_bytes = 0;  // of kept_bytes_
        std::int64_t taken_at_ns = 0;
    };

    bool has_visible_file(const std::string& directory);
    Result<Named*> see(std::string_view path);
    Named& keep(const std::string& path, const struct stat& status);
    Result<void> complete(const std::string& path, Seen& seen);
    Result<std::vector<std::string>> list_locked(std::string_view path);
    Result<std::vector<codec::Xattr>> xattrs(const std::string& path);
    void begin_to_hash(std::vector<Named*> files);
    Result<void> finish_hashing(const Hashing& hashing);
    Result<void> hash_expected();
    void save_beside();

    const LocalDirectory directory_;
    const LocalView view_;
    const dockerfile::IgnorePatterns ignore_;
    const std::string ignore_name_;
    Workers* const workers_;
    std::mutex index_mutex_;  // guards index_; taken after mutex_, held while it is written
    std::optional<StatIndex> index_;
    std::mutex mutex_;  // guards what follows
    std::unordered_map<std::string, Seen, Hash, std::equal_to<>> seen_;
    std::map<std::pair<dev_t, ino_t>, std::uint64_t> inodes_;  // of files with several names
    std::optional<OpenParent> parent_;
    std::uint64_t kept_bytes_ = 0;
    std::vector<Named*> expected_;  // to be hashed, once they are enough
    std::vector<Hashing> begun_;
    std::size_t new_rows_ = 0;
    std::jthread saving_;  // uses index_: it ends first
};

void save(StatIndex& index) {
    if (auto saved = index.save(); !saved) {
        log::debug("the stat index is not written", {{"error", saved.error().message}});
    }
}

LocalContext::~LocalContext() {
    for (const Hashing& hashing : begun_) {
        stop_hashing(*hashing.work);
    }
    if (saving_.joinable()) {
        saving_.join();
    }
    if (index_) {
        save(*index_);
    }
}

// What was hashed just now is copied next, which leaves a processor idle.
void LocalContext::save_beside() {
    if (saving_.joinable()) {
        return;  // once is enough: the rest is written at the end
    }
    saving_ = std::jthread{[this] {
        const std::lock_guard lock{index_mutex_};
        save(*index_);
    }};
}

Result<std::vector<codec::Xattr>> LocalContext::xattrs(const std::string& path) {
    const auto [directory, name] = codec::split_path(path);
    if (!parent_ || parent_->path != directory) {
        parent_.reset();
        TRY(std::optional<Fd> file, directory_.directory(std::string{directory}));
        if (!file) {
            return std::vector<codec::Xattr>{};  // it went away meanwhile
        }
        parent_ = OpenParent{.path = std::string{directory}, .file = *std::move(file)};
    }
    return directory_.xattrs(parent_->file, name);
}

LocalContext::Named& LocalContext::keep(const std::string& path, const struct stat& status) {
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
    return *seen_.emplace(path, std::move(seen)).first;
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
    if (!index_) {
        TRY(seen.info->xattrs, xattrs(path));
        return {};
    }
    const std::lock_guard lock{index_mutex_};
    if (const FileFacts* const known = index_->find(path, seen.stamp)) {
        seen.info->xattrs = known->xattrs;
        seen.content = known->content;
        return {};
    }
    const std::int64_t taken_at_ns = now_ns();
    TRY(seen.info->xattrs, xattrs(path));
    if (seen.info->type == FileType::directory) {
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

Result<LocalContext::Named*> LocalContext::see(std::string_view path) {
    if (const auto known = seen_.find(path); known != seen_.end()) {
        if (known->second.info) {
            CHECK_OK(complete(known->first, known->second));
        }
        return &*known;
    }
    const std::string name{path};
    if (!name.empty() && ignore_.excludes(name)) {
        TRY(const std::optional<struct stat> status,
            ignore_.excludes_all_of(name) ? std::optional<struct stat>{} : directory_.status(name));
        const bool visible = status && S_ISDIR(status->st_mode) && has_visible_file(name);
        if (!visible) {
            return &*seen_.emplace(name, Seen{}).first;
        }
    }
    TRY(const std::optional<struct stat> status, directory_.status(name));
    if (!status) {
        return &*seen_.emplace(name, Seen{}).first;
    }
    Named& seen = keep(name, *status);
    CHECK_OK(complete(name, seen.second));
    return &seen;
}

Result<std::optional<FileInfo>> LocalContext::look(std::string_view path) {
    const std::lock_guard lock{mutex_};
    TRY(const Named* const seen, see(path));
    return seen->second.info;
}

Result<std::vector<std::string>> LocalContext::list(std::string_view path) {
    const std::lock_guard lock{mutex_};
    TRY(const Named* const seen, see(path));
    if (!seen->second.info) {
        return fail(errno_error(path, ENOENT));
    }
    if (seen->second.info->type != FileType::directory) {
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
    std::vector<const Seen*> wanted;
    wanted.reserve(paths.size());
    for (const std::string& path : paths) {
        TRY(Named* const named, see(path));
        Seen& seen = named->second;
        wanted.push_back(&seen);
        if (!seen.info || seen.info->type != FileType::regular) {
            return fail(invalid(fmt::format("\"{}\" is not a regular file", path)));
        }
        if (!seen.content && !std::exchange(seen.expected, true)) {
            expected_.push_back(named);
        }
    }
    CHECK_OK(hash_expected());
    std::vector<layers::ContentDigest> all;
    all.reserve(paths.size());
    for (const Seen* const seen : wanted) {
        all.push_back(layers::ContentDigest{.digest = *seen->content});
    }
    return all;
}

// Others hash what has been listed while the caller lists on.
void LocalContext::expect_digests(const std::vector<std::string>& paths) {
    if (workers_ == nullptr) {
        return;
    }
    const std::lock_guard lock{mutex_};
    for (const std::string& path : paths) {
        const auto seen = seen_.find(path);
        const bool regular = seen != seen_.end() && seen->second.info &&
                             seen->second.info->type == FileType::regular;
        if (regular && !seen->second.content && !std::exchange(seen->second.expected, true)) {
            expected_.push_back(&*seen);
        }
    }
    if (expected_.size() >= kBegunTogether) {
        begin_to_hash(std::exchange(expected_, {}));
    }
}

void LocalContext::begin_to_hash(std::vector<Named*> files) {
    std::vector<FileToHash> wanted;
    wanted.reserve(files.size());
    std::uint64_t size_bytes = 0;
    for (const Named* const file : files) {
        wanted.push_back(FileToHash{.path = file->first, .stamp = file->second.stamp});
        size_bytes += file->second.stamp.size_bytes;
    }
    Hashing hashing{.files = std::move(files),
                    .work = {},
                    .reserved_bytes = std::min(size_bytes, kKeptBytesMax - kept_bytes_),
                    .taken_at_ns = now_ns()};
    kept_bytes_ += hashing.reserved_bytes;
    hashing.work =
        files::begin_to_hash(directory_, std::move(wanted), hashing.reserved_bytes, workers_);
    begun_.push_back(std::move(hashing));
}

Result<void> LocalContext::finish_hashing(const Hashing& hashing) {
    TRY(std::vector<HashedFile> hashed, files::finish_hashing(*hashing.work));
    for (std::size_t i = 0; i < hashing.files.size(); ++i) {
        Seen& seen = hashing.files[i]->second;
        seen.content = hashed[i].digest;
        if (hashed[i].kept.block) {
            seen.kept = std::move(hashed[i].kept);
            kept_bytes_ += seen.stamp.size_bytes;
        }
    }
    if (!index_) {
        return {};
    }
    const std::lock_guard lock{index_mutex_};
    for (const Named* const file : hashing.files) {
        const Seen& seen = file->second;
        index_->remember(file->first, seen.stamp,
                         FileFacts{.content = seen.content, .xattrs = seen.info->xattrs},
                         hashing.taken_at_ns);
    }
    new_rows_ += hashing.files.size();
    return {};
}

// All that has begun ends here, also when something fails. The Error is the first.
Result<void> LocalContext::hash_expected() {
    if (!expected_.empty()) {
        begin_to_hash(std::exchange(expected_, {}));
    }
    Result<void> result;
    for (const Hashing& hashing : std::exchange(begun_, {})) {
        kept_bytes_ -= hashing.reserved_bytes;
        for (Named* const file : hashing.files) {
            file->second.expected = false;
        }
        if (result) {
            result = finish_hashing(hashing);
        } else {
            stop_hashing(*hashing.work);
        }
    }
    if (index_ && new_rows_ > kRowsAtTheEndMax) {
        save_beside();
    }
    return result;
}

Result<std::unique_ptr<ByteSource>> LocalContext::open(std::string_view path) {
    const std::string name{path};
    {
        const std::lock_guard lock{mutex_};
        TRY(Named* const named, see(name));
        Seen& seen = named->second;
        if (!seen.info) {
            return fail(errno_error(path, ENOENT));
        }
        if (seen.info->type != FileType::regular) {
            return fail(invalid(fmt::format("\"{}\" is not a regular file", path)));
        }
        if (seen.kept.block) {
            const KeptBytes kept = std::exchange(seen.kept, {});
            kept_bytes_ -= seen.stamp.size_bytes;
            return std::make_unique<BlockSource>(kept.block, kept.begin_bytes,
                                                 seen.stamp.size_bytes);
        }
    }
    TRY(Fd file, directory_.open_seen(name));
    TRY(const struct stat status, directory_.status_of(file, name));
    if (!S_ISREG(status.st_mode)) {
        return fail(invalid(fmt::format("\"{}\" is not a regular file any more", path)));
    }
    return std::make_unique<FileContent>(std::move(file));
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
