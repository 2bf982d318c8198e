// SPDX-License-Identifier: Apache-2.0
// The trees of a snapshot's layers as they look where they lie: directories that no entry of a
// layer made have the attributes that they have below (codec/chain_tree.h). Mounts and merged views
// are made from the same ones.
//
// Threads: any.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/result.h"
#include "builder/layers/layer.h"
#include "codec/file_tree.h"

namespace lazybuild::layers {

using TreePointer = std::shared_ptr<const codec::FileTree>;

class ChainTrees {
  public:
    /// One tree for each layer, in their order: the layer's own where it looks the same. Trees that
    /// are made are kept. Errors: those of the layers and of take_attributes_from_below.
    Result<std::vector<TreePointer>> trees(std::span<const LayerPointer> layers);

  private:
    TreePointer find(const codec::Digest& chain) const;

    mutable std::mutex mutex_;                   // guards made_
    std::map<codec::Digest, TreePointer> made_;  ///< by the id of the snapshot that it tops
};

}  // namespace lazybuild::layers
