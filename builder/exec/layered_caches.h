// SPDX-License-Identifier: Apache-2.0
// Cache mounts that came with an imported cache: a step sees an overlay of the cache's layers and a
// directory that takes what steps write. The layers are as lazy as others, so that of a large cache
// what steps read is fetched. Beside what cache_mounts.h names there are
//
//     base          the layers (cache_base.h); where it is, there is no `tree`
//     upper, work   of the overlay
//     lock.mounted  exclusive, of the process that has it mounted
//
// each with the suffix of the tree that it stands for. An overlay is mounted once in a process, and
// shared by steps that share the cache; other processes wait until none has it. A cache is only a
// cache: one whose layers cannot be had begins empty, with a warning.
//
// Threads: any but the reactor's, which runs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "builder/exec/cache_base.h"
#include "builder/image/image_source.h"
#include "builder/layers/layer_store.h"
#include "codec/digest.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::exec {

/// One tree of a cache.
struct CachePlace {
    codec::Digest key;                            ///< cache_key()
    std::string name;                             ///< for messages: its id
    std::string directory;                        ///< exists, and a lock of it is held
    std::string suffix;                           ///< "", or of a private tree
    std::uint32_t mode = 0755, uid = 0, gid = 0;  ///< of a new one's root

    std::string path(const std::string& file) const { return directory + "/" + file + suffix; }
};

/// A cache's overlay; unmounted with the last pointer.
class MountedCache {
  public:
    MountedCache(layers::LayerStore& store, layers::Snapshot snapshot, std::string target, Fd lock)
        : store_(store),
          snapshot_(std::move(snapshot)),
          target_(std::move(target)),
          lock_(std::move(lock)) {}
    MountedCache(const MountedCache&) = delete;
    MountedCache& operator=(const MountedCache&) = delete;
    ~MountedCache();

    const std::string& target() const { return target_; }
    const layers::Snapshot& snapshot() const { return snapshot_; }
    std::uint64_t failed_reads() const;

  private:
    layers::LayerStore& store_;
    const layers::Snapshot snapshot_;
    const std::string target_;
    const Fd lock_;
};

class LayeredCaches {
  public:
    struct Options {
        /// Ids of the layers that an imported cache has for a key, bottom first; empty: none. The
        /// layer store has been told of them.
        std::function<std::vector<codec::Digest>(const codec::Digest& key)> imported;
        /// A place where a blob was, opened.
        std::function<Result<std::unique_ptr<image::ImageSource>>(const store::Origin&)> source;
        std::function<void(const std::string& message)> warn;
    };
    /// `store` outlives it. Functions that are empty give nothing.
    LayeredCaches(layers::LayerStore& store, Options options)
        : store_(store), options_(std::move(options)) {}
    LayeredCaches(const LayeredCaches&) = delete;
    LayeredCaches& operator=(const LayeredCaches&) = delete;

    layers::LayerStore& store() { return store_; }

    /// nullptr: the cache is a directory, or is to be one. Errors: operation_canceled; those of the
    /// disk.
    Result<std::shared_ptr<MountedCache>> open(const CachePlace& place,
                                               const io::CancelToken& cancel);
    /// Its layers cannot be read: forgotten, so that it begins empty. Nobody in the caller's
    /// thread has it open. Errors: as open().
    Result<void> give_up(const CachePlace& place, const std::string& why,
                         const io::CancelToken& cancel);

    /// Errors: io_error when one of them cannot be had; operation_canceled.
    Result<layers::Snapshot> open_layers(const std::vector<CacheLayer>& layers);
    /// With the blobs that are known of them.
    Result<std::vector<CacheLayer>> describe(const std::vector<codec::Digest>& ids);

    /// A step of this process has a cache.
    void note_use(const codec::Digest& key, const std::string& name);
    std::map<codec::Digest, std::string> used() const;
    void warn(const std::string& message) const;

  private:
    struct Slot {
        std::mutex opening;  ///< guards `mounted`
        std::weak_ptr<MountedCache> mounted;
    };
    Result<bool> begin(const CachePlace& place, const io::CancelToken& cancel);
    Result<std::shared_ptr<MountedCache>> mount(const CachePlace& place,
                                                const io::CancelToken& cancel);

    layers::LayerStore& store_;
    const Options options_;
    mutable std::mutex mutex_;                            // guards what follows
    std::map<std::string, std::shared_ptr<Slot>> slots_;  ///< by the path of `base`
    std::set<codec::Digest> refused_;                     ///< not to be begun with imported layers
    std::map<codec::Digest, std::string> used_;
    unsigned mounts_ = 0;
};

}  // namespace lazybuild::exec
