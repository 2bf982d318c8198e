// SPDX-License-Identifier: Apache-2.0
// The metadata image that a layer is mounted with at its place in a chain of snapshots: mostly its
// one tree.erofs; for a layer that looks otherwise there (codec/chain_tree.h) an image of its own,
// made once from what is on this machine and kept as layers/<id>/chain-<hash>.erofs.
//
// Layers below that are lazy themselves are read through their own metadata images, never through
// their mounts: this process may be the one that serves them.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "snapshotter/store/store.h"

namespace lazybuild::layer {

/// A snapshot below the layer.
struct LowerSnapshot {
    store::SnapshotId id{};
    std::optional<store::LayerId> layer;  ///< of a remote snapshot
    std::string directory;                ///< fs/ of a normal one, with what was unpacked there
};

/// The path of the image of `layer` over `below`, the topmost first; makes it when it is missing.
/// Blocks on the disk. One call at a time for one layer.
/// Errors: not_supported when no image can be what containerd unpacks; errno values.
Result<std::string> image_for_chain(const store::Store& store, store::LayerId layer,
                                    std::span<const LowerSnapshot> below);

}  // namespace lazybuild::layer
