// SPDX-License-Identifier: Apache-2.0
// The snapshotter itself, without gRPC and without the network: normal overlay snapshots, and
// remote ones whose fs/ is a lazy layer's mount. Semantics of reference C.2 and C.5.
//
// Threads: any but the reactor's and FUSE's: everything here may block on the disk or on mount(2).
// Errors are what containerd is told (status.h): file_exists, no_such_file_or_directory,
// invalid_argument, operation_not_permitted for the request; resource_unavailable_try_again when a
// remote snapshot in the chain cannot be served; io_error for whatever broke on this side.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "snapshotter/service/lazy_layers.h"
#include "snapshotter/service/overlay_mounts.h"
#include "snapshotter/service/removal_queue.h"
#include "snapshotter/store/store.h"

namespace lazybuild::service {

inline constexpr std::string_view kRemoteLabel = "containerd.io/snapshot/remote";
inline constexpr std::string_view kRemoteLabelValue = "remote snapshot";

/// What Prepare and View are given.
struct SnapshotRequest {
    std::string key;
    std::string parent;
    store::Labels labels;
};

/// What is known of the remote snapshot that a Prepare asks for.
enum class RemoteState {
    absent,       ///< to be resolved and attached
    ready,        ///< committed and mounted
    quarantined,  ///< its layer is not what was claimed: must be pulled in full
};

class Snapshotter {
  public:
    /// The arguments outlive this. `overlay_options` come from probe_overlay_options.
    Snapshotter(store::Store& store, LazyLayers& layers, std::vector<std::string> overlay_options);

    /// At start: every committed remote snapshot keeps a predecessor's mount, if that still serves
    /// it, and otherwise is mounted again from what is on this machine. One that cannot be mounted
    /// is logged and kept; it is tried again when it is used. Removes the mounts, directories and
    /// layers that nothing names, among them those of snapshots that were removed just before the
    /// last end.
    Result<void> restore();
    /// At stop: takes away every mount of ours. Snapshots stay as they are.
    void unmount_all();
    /// At stop, before the layers close: ends the work on removed snapshots.
    void stop_removals() { removals_.stop(); }

    Result<std::vector<MountAdvice>> prepare(const SnapshotRequest& request);
    Result<std::vector<MountAdvice>> view(const SnapshotRequest& request);
    Result<std::vector<MountAdvice>> mounts(const std::string& key);
    /// `parent` is empty, or the parent that it has, or the one that it gets if it has none.
    Result<void> commit(const std::string& name, const std::string& key,
                        const store::Labels& labels, const std::string& parent = "");
    /// It is gone for everybody; its mount, its directory and a layer that nothing else uses go
    /// soon, at the latest in the next cleanup() or at the next start.
    Result<void> remove(const std::string& key);
    Result<store::SnapshotRecord> stat(const std::string& key);
    /// `paths` are the update mask's: none replaces all labels, as does "labels"; "labels.<key>"
    /// sets one, or deletes it when it is empty or missing in `labels`.
    Result<store::SnapshotRecord> update(const std::string& key, const store::Labels& labels,
                                         const std::vector<std::string>& paths);
    Result<std::vector<store::SnapshotRecord>> list(const std::vector<std::string>& filters);
    Result<store::Usage> usage(const std::string& key);
    /// Returns when what removed snapshots have left is gone. Forgets layers that were resolved
    /// some time ago and that no snapshot came to use.
    Result<void> cleanup();

    /// Whether the remote snapshot that `request` asks for is here. Errors: those that a normal
    /// prepare with this key and parent would end with.
    Result<RemoteState> remote_state(const SnapshotRequest& request);
    /// Makes the remote snapshot of `request` out of a resolved layer, and commits it. Someone
    /// else having done so meanwhile is success.
    /// Errors: also no_such_device when the layer has been forgotten: resolve it again.
    Result<void> attach(const SnapshotRequest& request, store::LayerId layer);

  private:
    Result<std::vector<MountAdvice>> create(store::SnapshotKind kind,
                                            const SnapshotRequest& request);
    Result<store::SnapshotRecord> create_record(store::SnapshotKind kind,
                                                const SnapshotRequest& request,
                                                const std::vector<store::SnapshotRecord>& parents);
    Result<std::vector<store::SnapshotRecord>> usable_chain(const std::string& name);
    Result<void> ensure_mounted(const store::SnapshotRecord& snapshot);
    void discard(const store::SnapshotRecord& snapshot);
    // With mutex_ held:
    Result<void> attach_new(const SnapshotRequest& request, store::LayerId layer);
    Result<void> attach_again(const store::SnapshotRecord& snapshot, store::LayerId layer);
    Result<void> mount_remote(const store::SnapshotRecord& snapshot, store::LayerId layer);
    Result<std::vector<layer::LowerSnapshot>> snapshots_below(
        const store::SnapshotRecord& snapshot) const;
    Result<void> adopt_mounts(const std::vector<store::SnapshotRecord>& snapshots);
    bool is_adoptable(const store::SnapshotRecord& snapshot, const fuse::MountEntry& mount);
    void unmount_remote(store::SnapshotId id);
    void forget_if_unused(store::LayerId layer);

    store::Store& store_;
    LazyLayers& layers_;
    const std::vector<std::string> overlay_options_;

    // Held while a layer is mounted, unmounted or forgotten, so that none is forgotten between its
    // mount and its record. Records are removed before it is taken: who finds a record while
    // holding it may mount. Never over the network.
    std::mutex mutex_;
    std::map<store::SnapshotId, store::LayerId> mounted_;

    RemovalQueue removals_;  // the last member: its thread uses the others
};

}  // namespace lazybuild::service
