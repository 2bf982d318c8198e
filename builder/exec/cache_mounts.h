// SPDX-License-Identifier: Apache-2.0
// Directories that outlive the steps that fill them (RUN --mount=type=cache):
//
//   <root>/cache-mounts/<hex>/      of the SHA-256 of what the cache is known by
//     tree, tree-1, …               what steps see; more than one where sharing is private
//     lock, lock-1, …               flock: shared by steps that share, exclusive for one that
//     locks;
//                                   holds the mount's id, for people
//
// and other files of caches that came with an imported one (layered_caches.h).
//
// Nothing that a Dockerfile says becomes a path, and steps see the trees alone, so that no link in
// one can lead to another place of the host. Works between processes as within one.
//
// Threads: any; all block on the disk. Errors besides those said: errno, naming the path.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "builder/exec/layered_caches.h"
#include "builder/graph/step.h"
#include "builder/layers/file_source.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::exec {

/// What a cache begins with.
struct CacheSeed {
    std::string identity;  ///< of what it is taken from: Snapshot::id
    layers::FileSource* files = nullptr;
    std::string source;  ///< a directory in it, clean, relative
};

struct CacheRequest {
    std::string root;  ///< of the layer store
    const graph::RunMount& mount;
    std::optional<CacheSeed> seed;
    io::CancelToken cancel;
    LayeredCaches* layered = nullptr;  ///< nullptr: all caches are directories
};

/// Names the cache: same key, same directory. Steps that want several take them in this order, or
/// they could wait for each other.
codec::Digest cache_key(const CacheRequest& request);
/// Where a cache is, or would be.
std::string cache_directory(const std::string& root, const codec::Digest& key);

/// A cache that a step may use: until it goes, nobody has it otherwise than its sharing allows.
struct CacheMount {
    Fd lock;
    std::shared_ptr<MountedCache> layered;  ///< where `tree` is, unless it is a directory
    std::uint64_t failed_before = 0;        ///< reads of it, when it was acquired
    CachePlace place;
    Fd tree;
};

/// Waits for others as its sharing demands. A new tree has the mount's mode, uid and gid, and the
/// files of an imported cache, or its seed's. Errors: operation_canceled; those of making it.
Result<CacheMount> acquire_cache(const CacheRequest& request);

inline constexpr std::size_t kCacheIdBytesMax = 4096;  ///< of what is kept to be shown

/// One cache, as `cache ls` shows it.
struct CacheUsage {
    std::string name;  ///< of its directory; hexadecimal
    std::string id;    ///< of its mount, cut to kCacheIdBytesMax
    std::uint64_t size_bytes = 0;
    std::int64_t used_s = 0;  ///< since 1970: when a step last took it
    bool in_use = false;      ///< by a step of any process
};
/// Of all caches below `root`, by name.
Result<std::vector<CacheUsage>> cache_usage(const std::string& root);
/// `name` as cache_usage says it; what is not there is fine. Errors: device_or_resource_busy while
/// a step uses it.
Result<void> remove_cache(const std::string& root, const std::string& name);

/// Copies a directory of `files` into the empty directory `target`: what a seed is. Device nodes
/// and FIFOs are left out.
Result<void> copy_tree(layers::FileSource& files, const std::string& source, int target);

}  // namespace lazybuild::exec
