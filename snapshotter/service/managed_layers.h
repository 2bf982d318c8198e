// SPDX-License-Identifier: Apache-2.0
// The real things behind the service's interfaces: layers by layer::LayerManager, documents by
// registry::Client. Adapters without a thought of their own.
#pragma once

#include "snapshotter/layer/layer_manager.h"
#include "snapshotter/registry/client.h"
#include "snapshotter/service/image_layers.h"
#include "snapshotter/service/lazy_layers.h"

namespace lazybuild::service {

class ManagedLayers final : public LazyLayers {
  public:
    /// `manager` outlives this.
    explicit ManagedLayers(layer::LayerManager& manager) : manager_(manager) {}

    io::Task<Result<store::LayerId>> resolve(layer::LayerRequest request, io::Wait wait) override {
        return manager_.resolve(std::move(request), std::move(wait));
    }
    Result<void> mount(store::LayerId id, std::span<const layer::LowerSnapshot> below,
                       const std::string& target) override {
        return manager_.mount(id, below, target);
    }
    Result<bool> is_mounted(store::LayerId id, std::span<const layer::LowerSnapshot> below,
                            const fuse::MountEntry& mount) override {
        return manager_.is_mounted(id, below, mount);
    }
    Result<void> forget(store::LayerId id) override { return manager_.forget(id); }

  private:
    layer::LayerManager& manager_;
};

class RegistryDocuments final : public ImageDocuments {
  public:
    /// `client` outlives this.
    explicit RegistryDocuments(registry::Client& client) : client_(client) {}

    io::Task<Result<registry::Document>> manifest(registry::Repository repository,
                                                  std::string tag_or_digest,
                                                  io::Wait wait) override {
        return client_.get_manifest(std::move(repository), std::move(tag_or_digest),
                                    std::move(wait));
    }
    io::Task<Result<Bytes>> blob(registry::Repository repository, codec::Digest digest,
                                 std::uint64_t size_bytes, io::Wait wait) override {
        return client_.get_range(std::move(repository), digest, 0, size_bytes, std::move(wait));
    }

  private:
    registry::Client& client_;
};

}  // namespace lazybuild::service
