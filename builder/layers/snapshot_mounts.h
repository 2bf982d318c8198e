// SPDX-License-Identifier: Apache-2.0
// One build's mounts: each layer as an EROFS mount of its own, and overlays of them.
//
//   <build directory>/l/<k>/         layers, and two empty directories
//                     image-<k>      metadata images of layers that look otherwise where they lie
//
// Threads: any but the reactor's. Nobody in this process may look into the mounts of layers that
// are not all here: the read would wait for itself.
//
// Source: Linux Documentation/filesystems/overlayfs.rst ("lowerdir", "volatile", "metacopy").
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/layers/chain_trees.h"
#include "builder/layers/layer.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::layers {

class SnapshotMounts {
  public:
    /// `directory` is the build's, and goes with what is mounted in it when the build ends.
    SnapshotMounts(std::string directory, std::shared_ptr<ChainTrees> chains)
        : directory_(std::move(directory)), chains_(std::move(chains)) {}

    /// As LayerStore::mount and LayerStore::unmount. Errors: those of the layers; errno of mount(2)
    /// and of the directories, naming them.
    Result<void> mount(const Snapshot& snapshot, const SnapshotMount& where);
    static Result<void> unmount(const std::string& target);

  private:
    /// A layer that is mounted, and what keeps it.
    struct Mounted {
        LayerPointer layer;
        std::string place;  ///< relative to directory_
    };
    struct Key {
        codec::Digest layer;
        codec::Digest snapshot;  ///< that it tops, when it has an image of its own for it
        std::size_t number =
            0;  ///< of the same layer in one snapshot: overlayfs wants all different
        auto operator<=>(const Key&) const = default;
    };

    Result<std::string> mount_layer(const Snapshot& up_to, const codec::FileTree& tree);
    Result<std::string> make_image(const Snapshot& up_to, const codec::FileTree& tree);
    Result<std::string> make_place();
    Result<void> make_layers_directory();
    Result<void> make_empty();

    const std::string directory_;
    const std::shared_ptr<ChainTrees> chains_;
    std::mutex mutex_;  // guards what follows
    std::map<Key, Mounted> mounted_;
    std::vector<std::string> empty_;
    std::size_t made_ = 0;
};

}  // namespace lazybuild::layers
