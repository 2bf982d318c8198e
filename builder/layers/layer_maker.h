// SPDX-License-Identifier: Apache-2.0
// Layers in the making: written by store::DiskWriter into a directory of the build, then put into
// their place. Threads: one at a time for each maker.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/workers.h"
#include "builder/layers/layer_places.h"
#include "builder/layers/layer_store.h"
#include "snapshotter/store/disk_writer.h"

namespace lazybuild::layers {

class PlacedLayerMaker final : public LayerMaker {
  public:
    /// `staged` does not exist, and is on the file system of `places`. What is referred to outlives
    /// the maker; a maker that is not finished leaves nothing. Errors: errno.
    static Result<std::unique_ptr<LayerMaker>> create(std::string staged, LayerPlaces& places,
                                                      Workers& workers);
    ~PlacedLayerMaker() override;
    PlacedLayerMaker(const PlacedLayerMaker&) = delete;
    PlacedLayerMaker& operator=(const PlacedLayerMaker&) = delete;

    Result<void> add(codec::LayerEntry entry, ByteSource* content) override;
    Result<LayerPointer> finish() override;

  private:
    PlacedLayerMaker(std::string staged, LayerPlaces& places)
        : staged_(std::move(staged)), places_(places) {}

    const std::string staged_;
    LayerPlaces& places_;
    std::unique_ptr<store::DiskWriter> writer_;
    Bytes buffer_;
    bool placed_ = false;
};

}  // namespace lazybuild::layers
