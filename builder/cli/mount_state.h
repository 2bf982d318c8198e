// SPDX-License-Identifier: Apache-2.0
// What an image that is mounted without a daemon keeps on disk while it is: one directory below
// <root>/mounts, locked by the process that serves it, gone when that process ends well.
//
//   <root>/mounts/<name>/target   where the image is mounted: an absolute path
//                        lock     held (flock) by the serving process; holds its pid
//                        log      its messages, once it is in the background
//                        store/   the records and caches of its layers (store::Store)
//                        l/<n>/   the layers' mounts, the top one is 0
//
// Threads: any. Processes: any number of them in one root; <root>/mounts/lock orders them.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace lazybuild::cli {

/// Where lazy mounts keep their state when nothing else is said. On a real file system: metadata
/// images cannot be mounted from tmpfs or overlayfs.
inline constexpr const char* kStateRoot = "/var/lib/lazybuild";

class MountState {
  public:
    /// A new directory for an image at `target`, locked. `root` is made when it is missing.
    static Result<MountState> create(const std::string& root, const std::string& target);

    /// Absolute, without symbolic links.
    const std::string& path() const { return path_; }
    std::string store_path() const { return path_ + "/store"; }
    std::string log_path() const { return path_ + "/log"; }
    /// Relative to path(): a hundred of these must fit into overlay's one page of options.
    static std::string layer_mount_point(std::size_t layer);

    /// Takes the directory away, with everything that is mounted in it.
    Result<void> remove();

  private:
    MountState(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
    std::string path_;
    Fd lock_;
};

/// A mount whose state is on disk.
struct MountRecord {
    std::string path;     ///< of its directory
    std::string target;   ///< where it is, or was
    bool served = false;  ///< its process lives
};
/// Of all mounts in `root`; a root that is missing has none.
Result<std::vector<MountRecord>> mount_records(const std::string& root);

/// Takes away what the killed server of `record` has left: its mounts (reads in them fail
/// already) and its directory. Success when somebody else was quicker.
/// Errors: device_or_resource_busy when it is served after all.
Result<void> remove_mount_state(const std::string& root, const MountRecord& record);

}  // namespace lazybuild::cli
