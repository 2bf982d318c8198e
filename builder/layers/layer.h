// SPDX-License-Identifier: Apache-2.0
// A layer as the builder knows it: an index (FileTree), bytes that are here or can be fetched, and
// a digest of all that it says. Base layers and layers that steps made are the same to everybody
// above.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/digest.h"
#include "codec/file_tree.h"
#include "codec/oci_descriptor.h"

namespace lazybuild::layers {

/// How a layer was, or can be, written as a blob.
enum class Compression : std::uint8_t { uncompressed, gzip, zstd, estargz };

/// A blob that holds a layer. The same layer may have several.
struct LayerBlob {
    codec::Descriptor descriptor;  ///< media type, digest, size, annotations as a manifest has them
    codec::Digest diff_id;         ///< of the tar inside
    Compression compression = Compression::gzip;
    int level = -1;          ///< of what we wrote ourselves; -1 when not known
    bool from_base = false;  ///< a registry has it: origins say where
    bool imported = false;   ///< a cache is said to have it: origins say where
};

class Layer {
  public:
    virtual ~Layer() = default;

    /// What names its content. Of a layer that a step made: codec::tree_digest of its tree; of a
    /// base's layer: its blob's digest (and its TOC's), since nobody has read all of it.
    virtual const codec::Digest& id() const = 0;
    /// Loaded when first asked for; shared afterwards. Node::content is each file's digest.
    /// Errors: bad_message for an index that is damaged; errno.
    virtual Result<std::shared_ptr<const codec::FileTree>> tree() = 0;
    /// Fills `out` with bytes of the layer's disk (payload addresses), fetched and verified when
    /// they are not here. Not on the reactor's thread. Errors: bad_message for bytes that are not
    /// what the index says; those of the layer's registry; errno.
    virtual Result<void> read_disk(std::uint64_t offset_bytes, MutableByteView out) = 0;
    /// Whether Node::content of files of several chunks is a claim.
    virtual bool contents_are_claims() const = 0;
    /// Mounts it on the directory `target`, with the metadata image `image` (of its tree as it
    /// looks where it lies), or its own when that is empty. In the caller's mount namespace; not on
    /// the reactor's thread. Whoever wants a whole snapshot mounted asks LayerStore::mount.
    /// Errors: those of fuse::mount_erofs.
    virtual Result<void> mount(const std::string& image, const std::string& target) = 0;
    /// Reads that a mount of it, or read_disk, could not answer since the program began.
    virtual std::uint64_t failed_reads() const = 0;
    /// Payload bytes fetched for it by this process, and in all.
    virtual std::uint64_t fetched_bytes() const = 0;
    virtual std::uint64_t blob_bytes() const = 0;
};
using LayerPointer = std::shared_ptr<Layer>;

/// A file system: layers, the bottom one first.
struct Snapshot {
    std::vector<LayerPointer> layers;

    /// Names what the file system is made of: a chain over the layers' ids.
    codec::Digest id() const;
};

/// Snapshot::id() of layers that need not be open.
codec::Digest snapshot_id(std::span<const codec::Digest> layer_ids);

}  // namespace lazybuild::layers
