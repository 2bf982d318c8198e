// SPDX-License-Identifier: Apache-2.0
// The layers of images: those with an index are served lazily, where this process can mount;
// others, and those whose index is no good, are fetched and unpacked in one pass each, and kept.
//
// What a layer is called does not depend on which of the two it became (image_layer_ids).
//
// Threads: any but the reactor's; the reactor runs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/image/layer_inspection.h"
#include "builder/image/session.h"
#include "builder/layers/erofs_choice.h"
#include "builder/layers/layer_places.h"
#include "builder/layers/layer_records.h"
#include "builder/layers/layer_store.h"
#include "builder/layers/lazy_cache.h"
#include "snapshotter/io/shared.h"

namespace lazybuild::layers {

class BaseLayers {
  public:
    /// What all of it is done with; outlives this, and the tasks.
    struct Context {
        std::string root;
        image::Session& session;
        LayerPlaces& places;
        LayerRecords& records;
        std::shared_ptr<ErofsChoice> erofs;
        /// A name that nothing has yet, for a layer in the making.
        std::function<Result<std::string>()> stage;
    };
    explicit BaseLayers(Context context) : context_(std::move(context)) {}
    /// Ends lazy serving. Mounts of lazy layers are gone.
    ~BaseLayers();
    BaseLayers(const BaseLayers&) = delete;
    BaseLayers& operator=(const BaseLayers&) = delete;

    /// As LayerStore::open_image.
    Result<Snapshot> open(std::shared_ptr<image::ImageSource> source,
                          const codec::Manifest& manifest,
                          const std::vector<codec::Digest>& diff_ids);

    /// Where lazy layers of all kinds are served, opened when it is first asked for. nullptr, after
    /// it has been said why, where they cannot be. Blocks on the disk.
    std::shared_ptr<LazyCache> lazy_cache();

  private:
    struct Wanted;
    using WantedPointer = std::shared_ptr<Wanted>;

    Result<void> look_here(Wanted& wanted);
    Result<LayerPointer> find_unpacked(const Wanted& wanted);
    LayerPointer lazy_layer(const Wanted& wanted, store::LayerId number);
    Result<void> remember(const std::vector<WantedPointer>& layers);
    io::Task<Result<void>> open_one(WantedPointer wanted);
    io::Task<Result<LayerPointer>> make(WantedPointer wanted);
    io::Task<Result<image::LayerInspection>> inspect(WantedPointer wanted);
    io::Task<Result<LayerPointer>> open_lazy(WantedPointer wanted);
    io::Task<Result<LayerPointer>> unpack(WantedPointer wanted);

    const Context context_;
    std::map<codec::Digest, io::Shared<LayerPointer>> running_;  // reactor's thread only

    std::mutex mutex_;  // guards what follows
    std::shared_ptr<LazyCache> lazy_;
    bool lazy_tried_ = false;
    std::map<codec::Digest, std::weak_ptr<Layer>> lazy_layers_;  ///< so that trees are read once
};

}  // namespace lazybuild::layers
