// SPDX-License-Identifier: Apache-2.0
// One image, mounted lazily and served by this process: its layers with the snapshotter's data
// path, and a read-only overlay of them.
//
// Nothing here reads what is mounted, and nobody in this process may: the read would wait for
// itself.
//
// Threads: resolve() on the reactor's; the rest on the pool's, since they block on mount(2), whose
// answer comes through the reactor.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/cli/mount_state.h"
#include "builder/image/session.h"
#include "snapshotter/layer/layer_manager.h"
#include "snapshotter/store/store.h"

namespace lazybuild::cli {

class ServedImage {
  public:
    /// `session` and `state` outlive this. Needs root, FUSE and EROFS; Errors say which is missing.
    static Result<std::unique_ptr<ServedImage>> open(image::Session& session,
                                                     const MountState& state,
                                                     layer::FetchOptions options);

    /// Fetches the layers' indexes. The bottom layer first, as manifests have them.
    io::Task<Result<void>> resolve(std::vector<layer::LayerRequest> layers);

    /// Mounts the image on the directory `target`, and everything below it.
    Result<void> mount(const std::string& target);

    /// Whether the overlay is still in this process's mount table.
    Result<bool> mounted() const;
    /// Out of the tree at once, whoever uses it.
    Result<void> detach();

    /// When nothing uses the image any more, here or in another mount namespace, takes the layers
    /// away and stops serving: true. Until then false, and everything stays as it is.
    Result<bool> end_if_unused();

    /// Stops serving, whoever waits: their reads fail. Again is fine.
    void close();

  private:
    ServedImage(image::Session& session, const MountState& state)
        : session_(session), state_(state) {}
    io::Task<Result<void>> resolve_one(std::size_t place, layer::LayerRequest request);
    Result<void> mount_layers();

    image::Session& session_;
    const MountState& state_;
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<layer::LayerManager> manager_;
    std::vector<store::LayerId> layers_;  ///< the bottom one first
    std::string target_;
    unsigned device_major_ = 0, device_minor_ = 0;  ///< of the overlay
    bool layers_mounted_ = false;
};

}  // namespace lazybuild::cli
