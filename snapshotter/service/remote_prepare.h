// SPDX-License-Identifier: Apache-2.0
// The remote-snapshot handshake (reference C.3): Prepare asks for a layer by labels, and gets it
// served lazily, or gets none and pulls it in full. Never silently: the log says which and why.
//
// Threads: prepare() on the reactor's thread; what blocks runs on the pool.
#pragma once

#include <chrono>
#include <list>

#include "base/result.h"
#include "snapshotter/io/pool.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/semaphore.h"
#include "snapshotter/io/task.h"
#include "snapshotter/service/image_layers.h"
#include "snapshotter/service/lazy_layers.h"
#include "snapshotter/service/remote_labels.h"
#include "snapshotter/service/snapshotter.h"

namespace lazybuild::service {

enum class RemoteOutcome {
    attached,  ///< the remote snapshot is there: containerd is told ALREADY_EXISTS
    not_lazy,  ///< a normal snapshot is to be prepared, and the layer pulled in full
};

struct RemotePolicy {
    /// The layers resolve what has been verified only, and a snapshot that is there from before has
    /// to be asked about, too.
    bool verified_only = false;
    /// Layers that cannot be served lazily are claimed as well: downloaded and unpacked here, in
    /// one pass, while Prepare waits.
    bool claim_plain = false;
};

/// Who waits for the answer, and for how long.
struct Caller {
    io::Deadline deadline = io::kNoDeadline;
    io::CancelSource gone = {};  ///< cancelled on the reactor's thread when nobody waits any more
};

class RemotePreparer {
  public:
    /// The arguments outlive this, and this outlives its tasks: the reactor ends first.
    /// `pool` must not be one whose jobs wait for this.
    RemotePreparer(Snapshotter& snapshotter, LazyLayers& layers, ImageDocuments& documents,
                   io::Reactor& reactor, io::Pool& pool, std::chrono::milliseconds timeout,
                   RemotePolicy policy = {});

    /// For a request that asks_for_remote. Takes `timeout` at most (for a layer that is unpacked
    /// here: layer::kWholeLayerTimeMax), and leaves the caller time for a normal prepare. The layer
    /// itself goes on being resolved for whoever asks next.
    /// Errors: those that a normal prepare with this key and parent would end with;
    /// operation_canceled when the daemon stops or the caller is gone.
    io::Task<Result<RemoteOutcome>> prepare(SnapshotRequest request, Caller caller = {});

    /// Ends what is under way, now and from then on. Thread: the reactor's.
    void cancel();

  private:
    /// How long Prepare may wait for the one and for the other kind of layer.
    struct Limits {
        io::Wait lazy;
        io::Wait whole;
    };
    enum class Made { lazy, whole };
    io::Task<Result<RemoteOutcome>> make_or_pull(SnapshotRequest request, Limits limits);
    io::Task<Result<Made>> make_remote(SnapshotRequest request, Limits limits);
    io::Task<Result<std::shared_ptr<const Image>>> find_image(RemoteTarget target, io::Wait wait);
    io::Task<Result<void>> resolve_and_attach(SnapshotRequest request,
                                              layer::LayerRequest layer_request, io::Wait wait);
    bool takes(const ImageLayer& layer) const {
        return layer.toc.has_value() || (policy_.claim_plain && layer.whole);
    }
    void begin_others(const Image& image, const RemoteTarget& target, std::size_t current);
    io::Task<void> resolve_ahead(layer::LayerRequest request);

    Snapshotter& snapshotter_;
    LazyLayers& layers_;
    io::Reactor& reactor_;
    io::Pool& pool_;
    const std::chrono::milliseconds timeout_;
    const RemotePolicy policy_;
    ImageLayers images_;
    io::Semaphore ahead_;  // layers that are resolved ahead of their Prepare, at one time
    io::CancelSource stopping_;
    std::list<io::CancelSource> callers_;  // those that wait; the reactor's thread only
};

}  // namespace lazybuild::service
