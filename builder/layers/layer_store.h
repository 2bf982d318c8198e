// SPDX-License-Identifier: Apache-2.0
// The builder's layers on disk. Everything below one root, which any number of builds share:
//
//   <root>/build.db            records: layers, blobs, and other rooms' tables (SQLite, WAL)
//   <root>/layers/<hex>/       tree (index), tree.erofs, disk: complete, verified, never changed
//   <root>/blobs/sha256/<hex>  whole verified blobs: layers that were exported, configs, manifests
//   <root>/lazy/<n>/           caches of lazy layers (store::Store), each locked by one process
//   <root>/builds/<n>/         one running build: mount points, upper directories; locked by it
//
// A directory is made in the build's own and renamed when it is whole, so that a kill leaves
// nothing half made; what killed builds have left is swept when a build makes its directory. Layers
// become durable while the build goes on, at the latest when the store is closed (layer_settler.h).
//
// Nothing is removed that a build uses: a layer is locked (flock) by everybody who has it, so that
// remove_layer() refuses; blobs are removed only when no other process has the store open.
//
// Threads: any; nothing here on the reactor's thread, and the reactor runs.
// Errors of all, besides those said: errno below the root; those of store::Database.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/image/image_documents.h"
#include "builder/image/session.h"
#include "builder/layers/file_source.h"
#include "builder/layers/layer.h"
#include "snapshotter/store/records.h"

namespace lazybuild::layers {

/// A layer in the making: entries in any order that the tar of a layer could have, a file's bytes
/// right after its entry. Nothing is created one by one on the file system. One thread at a time.
class LayerMaker {
  public:
    virtual ~LayerMaker() = default;
    /// As codec::FileTreeBuilder::add, without chunks; `content` gives entry.size_bytes bytes of a
    /// regular file (nullptr for others, and empty ones). Errors: also bad_message when it ends
    /// early.
    virtual Result<void> add(codec::LayerEntry entry, ByteSource* content) = 0;
    /// Durable and recorded; a layer with the same content that is known already is returned
    /// instead.
    virtual Result<LayerPointer> finish() = 0;
};

/// A layer that a step has made elsewhere, and a blob that is said to hold it.
struct ImportedLayer {
    codec::Digest id;  ///< codec::tree_digest of its tree
    LayerBlob blob;    ///< diff_id: zeros when nobody says it
};

/// Where a snapshot is to be seen.
struct SnapshotMount {
    std::string target;  ///< an existing directory
    /// What is written goes to `upper`, which is on a real file system, empty, and thrown away some
    /// time: nothing of it is made durable. `work` is an empty directory beside it. Both empty:
    /// read-only.
    std::string upper, work;
    /// `upper` outlives the mount, and may have been one of the same snapshot before.
    bool lasting = false;
};

/// How closely a layer is looked at.
enum class CheckDepth : std::uint8_t {
    index,       ///< its index is the one that its id names, and its disk is as large as that says
    every_byte,  ///< besides, each piece of each file has its digest
};

/// What can be removed, and what it takes on the disk.
struct LayerUsage {
    codec::Digest id;
    std::uint64_t size_bytes = 0;
    std::int64_t used_s = 0;  ///< since 1970: when a build last took it
    bool in_use = false;      ///< by a process that runs, this one included
};
struct BlobUsage {
    codec::Digest digest;
    std::uint64_t size_bytes = 0;
    std::int64_t used_s = 0;  ///< when it was written
};
/// The caches of lazy layers, of one slot.
struct LazyUsage {
    unsigned slot = 0;
    std::uint64_t size_bytes = 0;
    std::int64_t used_s = 0;
    bool in_use = false;
};
/// A build that runs, or what is left of one that was killed.
struct BuildUsage {
    std::string name;
    std::uint64_t size_bytes = 0;
    std::int64_t used_s = 0;
    bool in_use = false;
};
struct Usage {
    std::vector<LayerUsage> layers;
    std::vector<BlobUsage> blobs;
    std::vector<LazyUsage> lazy;
    std::vector<BuildUsage> builds;
    /// All that lies below the root, whoever has put it there.
    std::uint64_t total_bytes = 0;
};

/// The ids that open_image gives to the layers of an image, the bottom one first: whether a layer
/// will be lazy is not known, and does not matter.
std::vector<codec::Digest> image_layer_ids(const codec::Manifest& manifest);

class LayerStore {
  public:
    /// Cheap: nothing is mounted or swept before it has to be. `session` outlives it.
    /// Errors: permission_denied; not_supported for a root that a newer program made.
    static Result<std::unique_ptr<LayerStore>> open(const std::string& root,
                                                    image::Session& session);
    virtual ~LayerStore() = default;

    virtual const std::string& root() const = 0;
    /// A directory of this build, made; removed when the store is closed.
    /// What killed builds have left is removed first.
    virtual Result<std::string> build_directory() = 0;

    /// Layers that steps have made; nullptr: not known, or no longer here. One that is not here is
    /// opened from the blobs that import_layers told of: lazily when the blob has an index, else
    /// unpacked in one pass and kept. It is returned only when its tree has the digest `id`. A blob
    /// that cannot be had, or holds something else, is said once on the console, and not asked
    /// again. The layer that holds nothing is made. Not on the reactor's thread. Errors: also
    /// operation_canceled.
    virtual Result<LayerPointer> find(const codec::Digest& id) = 0;
    /// Makes layers known, to this process alone. Nothing is fetched. The store keeps `source`,
    /// whose name() messages have; what is remembered for later is where the blobs are. Blobs of
    /// one layer are tried in the order in which they were told. Threads: any.
    virtual Result<void> import_layers(std::shared_ptr<image::ImageSource> source,
                                       const std::vector<ImportedLayer>& layers) = 0;
    virtual Result<std::unique_ptr<LayerMaker>> make_layer() = 0;
    /// Whether a layer is here as a whole, or would be made, for who does not want it: nothing is
    /// noted, removed or fetched. Errors: bad_message, naming the file, for one that is damaged;
    /// operation_canceled.
    virtual Result<bool> check_layer(const codec::Digest& id, CheckDepth depth) = 0;

    /// The layers of an image: lazy ones by their index, others unpacked in one pass each, all at
    /// once. `source` outlives the store. Remembers origins and descriptors. Not on the reactor's
    /// thread.
    virtual Result<Snapshot> open_image(std::shared_ptr<image::ImageSource> source,
                                        const image::ImageDocument& manifest,
                                        const image::ConfigDocument& config) = 0;

    /// Blobs of a layer, those of bases and of imported layers included: these are last, and may
    /// hold something else until find() has opened the layer.
    virtual Result<std::vector<LayerBlob>> blobs(const codec::Digest& layer) = 0;
    virtual Result<void> add_blob(const codec::Digest& layer, const LayerBlob& blob) = 0;
    /// Where a blob can be had again.
    virtual Result<std::vector<store::Origin>> origins(const codec::Digest& blob) = 0;
    virtual Result<void> add_origin(const codec::Digest& blob, const store::Origin& origin) = 0;
    /// <root>/blobs/sha256/<hex> if it is there.
    virtual std::optional<std::string> blob_path(const codec::Digest& blob) = 0;
    /// Puts a whole file, which has been verified, in its place there.
    virtual Result<void> keep_blob(const codec::Digest& blob, const std::string& file) = 0;

    /// The files of a snapshot as a container would see them. The snapshot's layers stay.
    /// Threads: any number at a time.
    virtual std::unique_ptr<FileSource> view(const Snapshot& snapshot) = 0;
    /// Mounts an overlay of the snapshot's layers, in the mount namespace of the process. Each
    /// layer is mounted once for all of them. Nobody in this process may look into what is mounted.
    virtual Result<void> mount(const Snapshot& snapshot, const SnapshotMount& where) = 0;
    /// Takes it away, or out of the tree as long as somebody uses it.
    virtual Result<void> unmount(const std::string& target) = 0;

    virtual Result<Usage> usage() = 0;
    /// What is not there is fine. Errors: device_or_resource_busy while a build uses it.
    virtual Result<void> remove_layer(const codec::Digest& id) = 0;
    virtual Result<void> remove_blob(const codec::Digest& blob) = 0;
    virtual Result<void> remove_lazy(unsigned slot) = 0;
    /// Calls `work` while no other process has the store open: how things below the root are
    /// removed that have no locks of their own. Errors: device_or_resource_busy; those of `work`.
    virtual Result<void> while_alone(const std::function<Result<void>()>& work) = 0;
};

}  // namespace lazybuild::layers
