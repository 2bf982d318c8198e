// SPDX-License-Identifier: Apache-2.0
// A directory of the host as a FileSource. What has been looked at once stays as it was seen then,
// for the whole build, so that all steps agree on it; and what is hashed later must still be what
// was seen, or the build fails instead of making a layer under another's key. What is copied are
// the bytes that were hashed, kept until then, or others that hash to the same: the copy looks.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/log.h"
#include "builder/dockerfile/ignore.h"
#include "builder/files/context.h"
#include "builder/files/hash_files.h"
#include "builder/files/local_directory.h"
#include "builder/files/local_view.h"
#include "builder/files/payload.h"
#include "builder/files/seen_files.h"
#include "builder/files/stat_index.h"
#include "codec/file_type.h"

namespace lazybuild::files {
namespace {

using codec::FileType;
using layers::FileInfo;

/// Of files that were hashed, until they are copied: those of some ten thousand sources.
constexpr std::uint64_t kKeptBytesMax = 64 << 20;
/// Of expected files, before they are given to other threads.
constexpr std::size_t kBegunTogether = 256;

class LocalContext final : public layers::FileSource {
  public:
    LocalContext(LocalDirectory directory, const LocalView& view, dockerfile::IgnorePatterns ignore,
                 std::string ignore_name, std::optional<StatIndex> index, Workers* workers)
        : ignore_name_(std::move(ignore_name)),
          workers_(workers),
          seen_(std::move(directory), view, std::move(ignore), std::move(index)) {}
    ~LocalContext() override;

    Result<std::optional<FileInfo>> look(std::string_view path) override;
    Result<std::vector<std::string>> list(std::string_view path) override;
    Result<layers::ContentDigest> digest(std::string_view path) override;
    Result<std::vector<layers::ContentDigest>> digests(
        const std::vector<std::string>& paths) override;
    void expect_digests(const std::vector<std::string>& paths) override;
    void drop_kept_bytes() override;
    Result<std::unique_ptr<ByteSource>> open(std::string_view path) override;
    std::string explain_absence(std::string_view path) override;

  private:
    /// Files that are being hashed.
    struct Hashing {
        std::vector<NamedFile*> files;
        std::shared_ptr<HashWork> work;
        std::uint64_t reserved_bytes = 0;  // of kept_bytes_
        std::int64_t taken_at_ns = 0;
    };

    void begin_to_hash(std::vector<NamedFile*> files);
    Result<void> finish_hashing(const Hashing& hashing);
    Result<void> hash_expected();

    const std::string ignore_name_;
    Workers* const workers_;
    std::mutex mutex_;  // guards what follows
    SeenFiles seen_;    // but for its directory and patterns
    std::uint64_t kept_bytes_ = 0;
    std::vector<NamedFile*> kept_;      // some of their bytes were opened already
    std::vector<NamedFile*> expected_;  // to be hashed, once they are enough
    std::vector<Hashing> begun_;
};

LocalContext::~LocalContext() {
    for (const Hashing& hashing : begun_) {
        stop_hashing(*hashing.work);
    }
}

Result<std::optional<FileInfo>> LocalContext::look(std::string_view path) {
    const std::lock_guard lock{mutex_};
    TRY(const NamedFile* const seen, seen_.see(path));
    return seen->second.info;
}

Result<std::vector<std::string>> LocalContext::list(std::string_view path) {
    const std::lock_guard lock{mutex_};
    TRY(const NamedFile* const seen, seen_.see(path));
    if (!seen->second.info) {
        return fail(errno_error(path, ENOENT));
    }
    if (seen->second.info->type != FileType::directory) {
        return fail(errno_error(path, ENOTDIR));
    }
    return seen_.list(path);
}

Result<layers::ContentDigest> LocalContext::digest(std::string_view path) {
    TRY(const std::vector<layers::ContentDigest> all, digests({std::string{path}}));
    return all.front();
}

Result<std::vector<layers::ContentDigest>> LocalContext::digests(
    const std::vector<std::string>& paths) {
    const std::lock_guard lock{mutex_};
    std::vector<const SeenFile*> wanted;
    wanted.reserve(paths.size());
    for (const std::string& path : paths) {
        TRY(NamedFile* const named, seen_.see(path));
        SeenFile& seen = named->second;
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
    for (const SeenFile* const seen : wanted) {
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
        NamedFile* const seen = seen_.find(path);
        const bool regular =
            seen != nullptr && seen->second.info && seen->second.info->type == FileType::regular;
        if (regular && !seen->second.content && !std::exchange(seen->second.expected, true)) {
            expected_.push_back(seen);
        }
    }
    if (expected_.size() >= kBegunTogether) {
        begin_to_hash(std::exchange(expected_, {}));
    }
}

void LocalContext::begin_to_hash(std::vector<NamedFile*> files) {
    std::vector<FileToHash> wanted;
    wanted.reserve(files.size());
    std::uint64_t size_bytes = 0;
    for (const NamedFile* const file : files) {
        wanted.push_back(FileToHash{.path = file->first, .stamp = file->second.stamp});
        size_bytes += file->second.stamp.size_bytes;
    }
    Hashing hashing{.files = std::move(files),
                    .work = {},
                    .reserved_bytes = std::min(size_bytes, kKeptBytesMax - kept_bytes_),
                    .taken_at_ns = SeenFiles::now_ns()};
    kept_bytes_ += hashing.reserved_bytes;
    hashing.work = files::begin_to_hash(seen_.directory(), std::move(wanted),
                                        hashing.reserved_bytes, workers_);
    begun_.push_back(std::move(hashing));
}

Result<void> LocalContext::finish_hashing(const Hashing& hashing) {
    TRY(std::vector<HashedFile> hashed, files::finish_hashing(*hashing.work));
    for (std::size_t i = 0; i < hashing.files.size(); ++i) {
        SeenFile& seen = hashing.files[i]->second;
        seen.content = hashed[i].digest;
        if (hashed[i].kept.block) {
            seen.kept = std::move(hashed[i].kept);
            kept_bytes_ += seen.stamp.size_bytes;
            kept_.push_back(hashing.files[i]);
        }
    }
    seen_.remember(hashing.files, hashing.taken_at_ns);
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
        for (NamedFile* const file : hashing.files) {
            file->second.expected = false;
        }
        if (result) {
            result = finish_hashing(hashing);
        } else {
            stop_hashing(*hashing.work);
        }
    }
    seen_.save_beside();
    return result;
}

void LocalContext::drop_kept_bytes() {
    const std::lock_guard lock{mutex_};
    for (NamedFile* const file : std::exchange(kept_, {})) {
        SeenFile& seen = file->second;
        if (seen.kept.block) {
            kept_bytes_ -= seen.stamp.size_bytes;
            seen.kept = {};
        }
    }
}

Result<std::unique_ptr<ByteSource>> LocalContext::open(std::string_view path) {
    const std::string name{path};
    {
        const std::lock_guard lock{mutex_};
        TRY(NamedFile* const named, seen_.see(name));
        SeenFile& seen = named->second;
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
    TRY(Fd file, seen_.directory().open_seen(name));
    return std::make_unique<FileContent>(std::move(file));
}

std::string LocalContext::explain_absence(std::string_view path) {
    // The pattern may name a directory that the path is in.
    const dockerfile::IgnorePatterns::Verdict verdict = seen_.ignore().verdict(path);
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
