// SPDX-License-Identifier: Apache-2.0
// The layers of one daemon: resolves them, serves their disks to the kernel, mounts them, and lets
// them go. It is the backend of the FUSE disk server, which it owns.
//
// Threads: resolve() on the reactor's thread; the rest on any but the reactor's and FUSE's, since
// they block on the disk or on mount(2), whose answer comes through both.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/file_tree.h"
#include "fuse/disk_server.h"
#include "fuse/mounts.h"
#include "snapshotter/io/shared.h"
#include "snapshotter/io/task.h"
#include "snapshotter/layer/chain_image.h"
#include "snapshotter/layer/layer_context.h"
#include "snapshotter/layer/layer_index.h"
#include "snapshotter/layer/served_layer.h"
#include "snapshotter/store/store.h"

namespace lazybuild::layer {

class LayerManager final : private fuse::DiskBackend {
  public:
    /// Serves what the store has (without the network: a layer whose origin is away only makes its
    /// own uncached reads wait) and mounts the disks, or goes on with `predecessor`'s; without one,
    /// stale mounts below the store's root must be gone. A layer whose files are unusable is logged
    /// and left out. The arguments outlive this; the reactor runs.
    static Result<std::unique_ptr<LayerManager>> open(
        store::Store& store, registry::Client& client, io::Reactor& reactor, io::Pool& pool,
        FetchOptions options, fuse::ErofsBacking backing,
        std::optional<fuse::Predecessor> predecessor = std::nullopt);
    /// close() must have been called, and the reactor must have ended.
    ~LayerManager() override;

    /// The layer's index is on disk and its disk served. Joins a resolve that is under way, which
    /// goes on when `wait` ends this one; its own limit is `read_timeout` of the options, or, for a
    /// layer without an index, which is resolved when it is all here, kWholeLayerTimeMax.
    /// With `verify_first` it returns when the layer has been verified.
    /// Errors: those of make_index and make_whole; permission_denied for a quarantined layer, and
    /// for one whose diffID is another than the request claims, or is claimed to be and has not
    /// been verified.
    io::Task<Result<store::LayerId>> resolve(LayerRequest request, io::Wait wait);

    /// Mounts a layer, as it looks over the snapshots `below` (the topmost first), on the directory
    /// `target`: over its disk file when it is complete, else over its FUSE disk.
    /// One call at a time for one layer. Errors: also those of image_for_chain.
    Result<void> mount(store::LayerId id, std::span<const LowerSnapshot> below,
                       const std::string& target);

    /// True when `mount` is what mount() would make of this layer over `below`, so that a
    /// predecessor's can stay. It is taken for granted that it is on this store's disks or files.
    /// Errors: those of image_for_chain.
    Result<bool> is_mounted(store::LayerId id, std::span<const LowerSnapshot> below,
                            const fuse::MountEntry& mount);

    /// All that the layer says, as its table of contents has it: for layers resolved with
    /// FetchOptions::keep_index. Read anew at each call. Errors: no_such_file_or_directory for a
    /// layer that is not served, or whose tree was not kept; bad_message for a damaged file.
    Result<std::shared_ptr<const codec::FileTree>> tree(store::LayerId id) const;

    /// Fills `out` with bytes of the layer's disk, fetched and verified as for a read of a mount,
    /// and with its limit on waiting. `out` stays until the task ends. Thread: the reactor's.
    /// Errors: no_such_file_or_directory for a layer that is not served; those of
    /// ServedLayer::read_into.
    io::Task<Result<void>> read(store::LayerId id, std::uint64_t offset_bytes, MutableByteView out,
                                io::Wait wait);

    /// Since the program began: reads of its mounts, and read()s, that got an Error; bytes of its
    /// blob that were fetched. 0 for a layer that is not served.
    std::uint64_t failed_reads(store::LayerId id) const;
    std::uint64_t fetched_bytes(store::LayerId id) const;

    /// What mounts of the layer's images name as their device: its disk file when it is complete,
    /// else its FUSE disk. Errors: no_such_file_or_directory for a layer that is not served.
    Result<std::string> device_path(store::LayerId id) const;

    /// No snapshot needs it any more: its tasks end, its record and files go. The mounts on it must
    /// be gone. Unknown is fine. Errors: operation_not_permitted while a snapshot names it.
    Result<void> forget(store::LayerId id);

    /// Makes durable what has come since the last call.
    void flush();

    /// Takes the disks away if no mount of a layer is left anywhere: true; close() comes next.
    /// Otherwise nothing changes: false.
    Result<bool> unmount_unused_disks() { return disk_server_->unmount_unused(); }

    /// For a keeper, and by it for a successor.
    Result<fuse::Handover> duplicate_disks() const { return disk_server_->duplicate(); }
    /// Serves the disks no more, and leaves them, and whoever waits, to a successor; close() comes
    /// next.
    void leave_disks() { disk_server_->leave(); }

    /// Takes the disks away (waiting reads fail) and notes that the stop was clean.
    void close();

  private:
    // Whose bytes they are: never a claimed diffID.
    using Identity = std::pair<codec::Digest, codec::Digest>;

    LayerManager(store::Store& store, registry::Client& client, io::Reactor& reactor,
                 io::Pool& pool, FetchOptions options, fuse::ErofsBacking backing);

    // fuse::DiskBackend
    std::optional<std::uint64_t> disk_size_bytes(fuse::DiskNumber disk) override;
    std::vector<fuse::DiskNumber> disks() override;
    void read(fuse::DiskNumber disk, std::uint64_t offset_bytes, std::uint32_t size_bytes,
              fuse::ReadReply reply) override;

    io::Task<Result<void>> check_claim(store::LayerId id, std::optional<codec::Digest> diff_id);
    io::Task<Result<store::LayerId>> resolve_once(LayerRequest request);
    io::Task<Result<store::LayerId>> find_or_make(LayerRequest request);
    Result<std::shared_ptr<ServedLayer>> serve(const store::LayerRecord& record);
    std::shared_ptr<ServedLayer> find(store::LayerId id) const;
    std::string device_of(const ServedLayer& served) const;
    std::vector<std::shared_ptr<ServedLayer>> all() const;

    BlobOrigins origins_;
    LayerContext context_;
    const fuse::ErofsBacking backing_;
    std::map<Identity, io::Shared<store::LayerId>> resolving_;  // reactor's thread only

    mutable std::shared_mutex mutex_;  // guards layers_
    std::map<store::LayerId, std::shared_ptr<ServedLayer>> layers_;
    std::unique_ptr<fuse::DiskServer> disk_server_;
};

}  // namespace lazybuild::layer
