// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/cache_layers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "builder/exec/cache_lock.h"
#include "builder/exec/cache_mounts.h"
#include "builder/exec/upper_reader.h"
#include "codec/sha256.h"

namespace lazybuild::exec {
namespace {

using codec::FileType;
using layers::FileInfo;
using layers::LayerPointer;

constexpr std::chrono::seconds kPatience{60};

bool exists(const std::string& path) {
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0;
}

/// What a change of any file changes, and what all of them take.
struct Stamp {
    codec::Digest digest;
    std::uint64_t size_bytes = 0;
    bool empty = true;
};

/// By name, since directories are listed in any order. The times of changes cannot be set.
Result<Stamp> stamp_of(const std::string& directory) {
    Stamp stamp;
    std::vector<std::string> lines;
    std::error_code failure;
    auto each = std::filesystem::recursive_directory_iterator(directory, failure);
    for (; !failure && each != std::filesystem::recursive_directory_iterator{};
         each.increment(failure)) {
        struct stat status{};
        const std::string& path = each->path().native();
        if (::lstat(path.c_str(), &status) != 0) {
            return fail(errno_error(path));
        }
        stamp.empty = false;
        if (S_ISREG(status.st_mode)) {
            stamp.size_bytes += static_cast<std::uint64_t>(status.st_size);
        }
        lines.push_back(fmt::format("{:o} {} {} {} {} {}.{} {}.{} {}", status.st_mode,
                                    status.st_uid, status.st_gid, status.st_size, status.st_ino,
                                    status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
                                    status.st_ctim.tv_sec, status.st_ctim.tv_nsec, path));
    }
    if (failure) {
        return fail(errno_error(directory, failure.value()));
    }
    std::ranges::sort(lines);
    codec::Sha256 hash;
    for (const std::string& line : lines) {
        hash.update(as_bytes(line));
        hash.update(as_bytes(std::string_view{"\0", 1}));
    }
    stamp.digest = hash.finish();
    return stamp;
}

/// All files of a view as one layer.
class Flattener {
  public:
    Flattener(layers::FileSource& files, layers::LayerMaker& maker)
        : files_(files), maker_(maker) {}

    Result<void> directory(const std::string& path) {
        TRY(const std::vector<std::string> names, files_.list(path));
        for (const std::string& name : names) {
            const std::string inside = path.empty() ? name : path + "/" + name;
            TRY(const auto info, files_.look(inside));
            if (info) {
                CHECK_OK(put(inside, *info));
            }
        }
        return {};
    }

  private:
    Result<void> put(const std::string& path, const FileInfo& info) {
        codec::LayerEntry entry = layers::entry_of(path, info);
        switch (info.type) {
            case FileType::directory:
                CHECK_OK(maker_.add(std::move(entry), nullptr));
                return directory(path);
            case FileType::symlink: return maker_.add(std::move(entry), nullptr);
            case FileType::regular: break;
            default: return {};
        }
        if (info.inode != 0) {
            const auto [first, is_new] = names_.try_emplace(info.inode, path);
            if (!is_new) {
                entry.kind = codec::LayerEntry::Kind::hardlink;
                entry.link_target = first->second;
                entry.size_bytes = 0;
                return maker_.add(std::move(entry), nullptr);
            }
        }
        if (info.size_bytes == 0) {
            return maker_.add(std::move(entry), nullptr);
        }
        TRY(const auto content, files_.open(path));
        return maker_.add(std::move(entry), content.get());
    }

    layers::FileSource& files_;
    layers::LayerMaker& maker_;
    std::map<std::uint64_t, std::string> names_;  ///< of files with several, by inode
};

class CacheReader {
  public:
    CacheReader(LayeredCaches& caches, std::string directory)
        : caches_(caches), directory_(std::move(directory)) {}

    Result<std::optional<std::vector<codec::Digest>>> read(std::uint64_t size_max_bytes) {
        auto base = read_cache_base(directory_ + "/base");
        CHECK_OK(base);
        const std::string files = directory_ + (*base ? "/upper" : "/tree");
        if (!exists(files)) {
            return std::nullopt;
        }
        TRY(const Stamp stamp, stamp_of(files));
        if (stamp.size_bytes > size_max_bytes) {
            return fail(over_limit(fmt::format("it has {} bytes, and {} may travel",
                                               stamp.size_bytes, size_max_bytes)));
        }
        // It only saves work.
        const auto exported = read_cache_base(directory_ + "/exported").value_or(std::nullopt);
        if (exported && exported->stamp == stamp.digest) {
            TRY(const bool there, are_there(*exported));
            if (there) {
                return ids_of(*exported);
            }
        }
        std::vector<codec::Digest> ids;
        if (*base) {
            TRY(ids, read_upper_directory(files, **base));
        } else if (!stamp.empty) {
            TRY(ids, read_tree(files, exported));
        }
        TRY(std::vector<CacheLayer> layers, caches_.describe(ids));
        CHECK_OK(write_cache_base(directory_ + "/exported",
                                  {.layers = std::move(layers), .stamp = stamp.digest}));
        return ids.empty() ? std::nullopt : std::optional{std::move(ids)};
    }

  private:
    using Ids = std::vector<codec::Digest>;

    static std::optional<Ids> ids_of(const CacheBase& base) {
        Ids ids;
        for (const CacheLayer& layer : base.layers) {
            ids.push_back(layer.id);
        }
        return ids.empty() ? std::nullopt : std::optional{std::move(ids)};
    }

    Result<bool> are_there(const CacheBase& exported) {
        for (const CacheLayer& layer : exported.layers) {
            TRY(const auto blobs, caches_.store().blobs(layer.id));
            if (blobs.empty()) {
                TRY(const LayerPointer found, caches_.store().find(layer.id));
                if (found == nullptr) {
                    return false;
                }
            }
        }
        return true;
    }

    Result<LayerPointer> changes(const std::string& files, const layers::Snapshot& below,
                                 bool complete) {
        const std::unique_ptr<layers::FileSource> view = caches_.store().view(below);
        const std::set<std::string> none;
        return read_upper({.upper = files,
                           .below = *view,
                           .made_by_us = none,
                           .complete = complete,
                           .files_only = true},
                          [this] { return caches_.store().make_layer(); });
    }

    /// A directory, of which `exported` is an earlier state.
    Result<Ids> read_tree(const std::string& files, const std::optional<CacheBase>& exported) {
        layers::Snapshot below;
        if (exported && exported->layers.size() < kExportedCacheLayersMax) {
            auto opened = caches_.open_layers(exported->layers);
            if (!opened && opened.error().code == std::errc::operation_canceled) {
                return fail(std::move(opened).error());
            }
            below = std::move(opened).value_or(layers::Snapshot{});
        }
        TRY(const LayerPointer changed, changes(files, below, true));
        Ids ids;
        for (const LayerPointer& layer : below.layers) {
            ids.push_back(layer->id());
        }
        // Names of one file are written every time, perhaps as they are there.
        if (changed != nullptr && (ids.empty() || ids.back() != changed->id())) {
            ids.push_back(changed->id());
        }
        return ids;
    }

    /// What an overlay's upper directory has, on what it stands on.
    Result<Ids> read_upper_directory(const std::string& files, const CacheBase& base) {
        TRY(layers::Snapshot all, caches_.open_layers(base.layers));
        TRY(LayerPointer changed, changes(files, all, false));
        if (changed != nullptr) {
            all.layers.push_back(std::move(changed));
        }
        if (all.layers.size() > kExportedCacheLayersMax) {
            const std::unique_ptr<layers::FileSource> view = caches_.store().view(all);
            TRY(const auto maker, caches_.store().make_layer());
            Flattener flattener{*view, *maker};
            CHECK_OK(flattener.directory(""));
            TRY(LayerPointer flat, maker->finish());
            all.layers = {std::move(flat)};
        }
        Ids ids;
        for (const LayerPointer& layer : all.layers) {
            ids.push_back(layer->id());
        }
        return ids;
    }

    LayeredCaches& caches_;
    const std::string directory_;
};

}  // namespace

Result<std::optional<std::vector<codec::Digest>>> cache_layers(LayeredCaches& caches,
                                                               const codec::Digest& key,
                                                               const io::CancelToken& cancel,
                                                               std::uint64_t size_max_bytes) {
    const std::string directory = cache_directory(caches.store().root(), key);
    if (!exists(directory)) {
        return std::nullopt;
    }
    // In the order in which steps take them.
    std::vector<Fd> locks;
    for (const char* const name : {"/lock", "/lock.mounted"}) {
        TRY(Fd lock, open_file(directory + name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
        CHECK_OK(wait_for_lock(lock.get(), LOCK_EX, cancel, kPatience));
        if (!is_there(lock.get())) {
            return std::nullopt;  // it was removed meanwhile
        }
        locks.push_back(std::move(lock));
    }
    return CacheReader{caches, directory}.read(size_max_bytes);
}

}  // namespace lazybuild::exec
