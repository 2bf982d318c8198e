// SPDX-License-Identifier: Apache-2.0
// What the service needs of the layers below it. The daemon gives it layer::LayerManager
// (managed_layers.h); tests give it layers of their own.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "fuse/mounts.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/layer/chain_image.h"
#include "snapshotter/layer/layer_index.h"
#include "snapshotter/store/records.h"

namespace lazybuild::service {

class LazyLayers {
  public:
    virtual ~LazyLayers() = default;

    /// The layer is known to the store and can be mounted. Joins a resolve of the same layer that
    /// is under way. Thread: the reactor's.
    virtual io::Task<Result<store::LayerId>> resolve(layer::LayerRequest request,
                                                     io::Wait wait) = 0;
    /// Mounts it on the directory `target`, read-only, as it looks over the snapshots `below`, the
    /// topmost first. No network. Blocks: pool threads only. One call at a time.
    virtual Result<void> mount(store::LayerId id, std::span<const layer::LowerSnapshot> below,
                               const std::string& target) = 0;
    /// True when `mount`, a predecessor's, is what mount() would make, and can stay. As mount().
    virtual Result<bool> is_mounted(store::LayerId id, std::span<const layer::LowerSnapshot> below,
                                    const fuse::MountEntry& mount) = 0;
    /// Its record, files and tasks go. No snapshot names it, and nothing has it mounted.
    /// Blocks: pool threads only.
    virtual Result<void> forget(store::LayerId id) = 0;
};

}  // namespace lazybuild::service
