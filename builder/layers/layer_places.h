// SPDX-License-Identifier: Apache-2.0
// <root>/layers: one directory for each layer that is here as a whole, named by its id. Layers come
// to it by a rename, and leave it by one; between, nothing changes them.
//
// Threads: any. Processes: any number of them.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/layers/disk_layer.h"
#include "builder/layers/erofs_choice.h"
#include "builder/layers/layer.h"
#include "builder/layers/layer_settler.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::layers {

class LayerPlaces {
  public:
    LayerPlaces(const std::string& root, std::shared_ptr<ErofsChoice> erofs)
        : directory_(root + "/layers"), erofs_(std::move(erofs)) {}

    /// nullptr: it is not here. Of a base layer: its blob's size. Errors: those of DiskLayer::open.
    Result<LayerPointer> find(const codec::Digest& id, std::uint64_t blob_bytes = 0);

    /// Renames `staged` into its place, or removes it when the layer is there already; its files
    /// become durable afterwards. On the same file system as the root.
    Result<LayerPointer> place(const std::string& staged, DiskLayer::Options options);

    /// Moves the layer's directory away, to `trash`: what is there does not exist yet. Missing is
    /// fine. Errors: device_or_resource_busy.
    Result<void> remove(const codec::Digest& id, const std::string& trash);

    /// Of all layers, by id. Errors: errno.
    Result<std::vector<LayerUsage>> usage() const;

    /// Where the layer's directory is, if it is here.
    std::string path_of(const codec::Digest& id) const { return directory_ + "/" + id.hex(); }

  private:
    Result<LayerPointer> open(DiskLayer::Options options);

    const std::string directory_;
    const std::shared_ptr<ErofsChoice> erofs_;
    LayerSettler settler_;
    std::mutex mutex_;                                    // guards open_
    std::map<codec::Digest, std::weak_ptr<Layer>> open_;  ///< so that their trees are read once
};

}  // namespace lazybuild::layers
