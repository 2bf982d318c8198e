// SPDX-License-Identifier: Apache-2.0
// Layers that steps have made elsewhere, known to this process alone: by blobs that hold them, as a
// cache says that the user has named. Whoever asks for such a layer gets it only when its tree is
// the one that its id names, so that a cache can miss, but not lie.
//
// Threads: any but the reactor's; the reactor runs.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/image/session.h"
#include "builder/layers/layer_places.h"
#include "builder/layers/layer_records.h"
#include "builder/layers/layer_store.h"
#include "builder/layers/lazy_cache.h"

namespace lazybuild::layers {

class ImportedLayers {
  public:
    /// What all of it is done with; outlives this.
    struct Context {
        image::Session& session;
        LayerPlaces& places;
        LayerRecords& records;
        /// A name that nothing has yet, for a layer in the making.
        std::function<Result<std::string>()> stage;
        /// nullptr where lazy layers cannot be.
        std::function<std::shared_ptr<LazyCache>()> lazy_cache;
    };
    explicit ImportedLayers(Context context) : context_(std::move(context)) {}
    ImportedLayers(const ImportedLayers&) = delete;
    ImportedLayers& operator=(const ImportedLayers&) = delete;

    /// As LayerStore::import_layers.
    Result<void> add(const std::shared_ptr<image::ImageSource>& source,
                     const std::vector<ImportedLayer>& layers);

    /// Those that have not turned out to be no good.
    std::vector<LayerBlob> blobs(const codec::Digest& layer) const;

    /// As LayerStore::find, for a layer that is not in its place.
    Result<LayerPointer> find(const codec::Digest& id);

  private:
    /// A blob that is said to hold the layer, and who has it.
    struct Claim {
        std::shared_ptr<image::ImageSource> source;
        LayerBlob blob;
        bool failed = false;
        /// Its index says the layer: the number of the lazy one. Guarded by Known::opening.
        std::optional<store::LayerId> proven;
    };
    struct Known {
        std::mutex opening;  ///< held by who tries the claims; guards `layer`
        std::weak_ptr<Layer> layer;
        std::deque<Claim> claims;  ///< guarded by mutex_; grows only
    };

    Claim* usable(Known& known, std::size_t index) const;
    Result<LayerPointer> open(const codec::Digest& id, Claim& claim);
    Result<LayerPointer> open_lazy(const codec::Digest& id, Claim& claim);
    Result<LayerPointer> unpack(const codec::Digest& id, const Claim& claim);

    const Context context_;
    mutable std::mutex mutex_;  // guards what follows
    std::map<codec::Digest, std::shared_ptr<Known>> known_;
};

}  // namespace lazybuild::layers
