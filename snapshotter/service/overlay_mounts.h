// SPDX-License-Identifier: Apache-2.0
// What containerd is told to mount for a snapshot: a bind of one directory, or an overlay of a
// chain of them. Nothing is mounted here but a probe.
//
// Sources: reference C.5; overlayfs.rst of the kernel.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "snapshotter/store/store.h"

namespace lazybuild::service {

/// As containerd.types.Mount.
struct MountAdvice {
    std::string type;
    std::string source;
    std::vector<std::string> options;

    bool operator==(const MountAdvice&) const = default;
};

/// The directory of a snapshot that is its content: <root>/snapshots/<id>/fs.
std::string content_directory(const store::Store& store, store::SnapshotId id);
std::string work_directory(const store::Store& store, store::SnapshotId id);

/// `chain` is the snapshot, active or view, and its ancestors from top to bottom.
/// `overlay_options` come from probe_overlay_options.
std::vector<MountAdvice> advise_mounts(const store::Store& store,
                                       const std::vector<store::SnapshotRecord>& chain,
                                       const std::vector<std::string>& overlay_options);

/// Those of "index=off" and "redirect_dir=nofollow" that this kernel's overlayfs takes, found out
/// by mounting an overlay of empty directories below `directory`, a real one.
///   index=off               lets containers share lower directories
///   redirect_dir=nofollow   a layer must not send overlayfs to another directory by an xattr
/// Without the right to mount, and where no overlay can be mounted at all, the answer is an Error.
Result<std::vector<std::string>> probe_overlay_options(const std::string& directory);

}  // namespace lazybuild::service
