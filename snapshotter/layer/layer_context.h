// SPDX-License-Identifier: Apache-2.0
// What all layers of one process share while they are served.
#pragma once

#include <chrono>
#include <cstddef>

#include "snapshotter/io/pool.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/semaphore.h"
#include "snapshotter/layer/blob_origins.h"
#include "snapshotter/layer/demand_clock.h"
#include "snapshotter/layer/link_estimate.h"
#include "snapshotter/layer/origin_limits.h"
#include "snapshotter/store/store.h"

namespace lazybuild::layer {

struct FetchOptions {
    /// How long a container's read may wait for the network, retries included; then EIO.
    std::chrono::milliseconds read_timeout{60'000};
    /// Fetch what the image's maker recorded (the landmark) as soon as a layer is there.
    bool prefetch = true;
    /// Fetch the rest and verify the diffID when nobody has waited for bytes for `fill_quiet`.
    bool background_fill = true;
    std::chrono::milliseconds fill_quiet{3'000};
    /// A layer is resolved only when it has been filled and its diffID verified; the fill then does
    /// not wait for quiet times.
    bool verify_first = false;
    /// Keep the tree of every layer that is resolved, for LayerManager::tree.
    bool keep_index = false;
    /// On-demand requests under way, and layers being filled, at one time from one host.
    std::size_t fetches_max = 16;
    std::size_t fills_max = 2;
};

inline constexpr std::size_t kWholeLayersMax = 4;

/// Lifetime: everything it refers to outlives it, and it outlives the layers.
struct LayerContext {
    LayerContext(store::Store& store_, BlobOrigins& origins_, io::Reactor& reactor_,
                 io::Pool& pool_, FetchOptions options_)
        : store(store_),
          origins(origins_),
          reactor(reactor_),
          pool(pool_),
          options(options_),
          limits(reactor_, options_.fetches_max, options_.fills_max),
          whole_layers(reactor_, kWholeLayersMax) {}

    store::Store& store;
    BlobOrigins& origins;
    io::Reactor& reactor;
    io::Pool& pool;
    const FetchOptions options;

    LinkEstimate link;    ///< reactor's thread
    OriginLimits limits;  ///< reactor's thread
    /// Downloads that are unpacked at one time (whole_layer.h), so that memory stays bounded and
    /// reads find connections. Reactor's thread.
    io::Semaphore whole_layers;
    DemandClock demand;
};

}  // namespace lazybuild::layer
