// SPDX-License-Identifier: Apache-2.0
// The lazy layers of one build: one of the slots <root>/lazy/<n>, with the snapshotter's data path
// on it (indexes, chunks that were fetched, disks on FUSE). A slot belongs to one process at a
// time; the next build finds what is in it.
//
// Threads: any, unless a function says otherwise. Lives until the reactor has ended: tasks that
// nobody waits for refer to it (image::Session::keep).
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "builder/image/session.h"
#include "builder/layers/erofs_choice.h"
#include "builder/layers/layer.h"
#include "builder/layers/layer_store.h"
#include "snapshotter/layer/layer_manager.h"
#include "snapshotter/store/store.h"

namespace lazybuild::layers {

class LazyCache {
  public:
    /// Takes the first slot that is free, or a new one. Not on the reactor's thread. Needs root.
    static Result<std::shared_ptr<LazyCache>> open(const std::string& root, image::Session& session,
                                                   std::shared_ptr<ErofsChoice> erofs);
    /// close() has been called.
    ~LazyCache() = default;

    /// Whether the layer's index is here, and can be trusted. Blocks on the disk.
    Result<bool> knows(const layer::LayerRequest& request) const;
    /// Where a blob is to be looked for, besides where it has been before: `first`, then the
    /// others. Blocks on the disk.
    Result<void> add_origins(const codec::Digest& blob, const store::Origin& first,
                             const std::vector<store::Origin>& others);
    /// Thread: the reactor's. Errors: those of layer::LayerManager::resolve.
    io::Task<Result<store::LayerId>> resolve(layer::LayerRequest request);

    image::Session& session() { return session_; }
    layer::LayerManager& manager() { return *manager_; }
    const store::Store& store() const { return *store_; }
    ErofsChoice& erofs() { return *erofs_; }

    /// Stops serving, whoever waits: reads fail from now on. Not on the reactor's thread.
    void close();
    bool closed() const { return closed_.load(std::memory_order_acquire); }

    static Result<std::vector<LazyUsage>> usage(const std::string& root);
    /// Moves a slot away, to `trash`, and removes it. Errors: device_or_resource_busy.
    static Result<void> remove(const std::string& root, unsigned slot, const std::string& trash);

  private:
    LazyCache(image::Session& session, std::shared_ptr<ErofsChoice> erofs)
        : session_(session), erofs_(std::move(erofs)) {}

    image::Session& session_;
    const std::shared_ptr<ErofsChoice> erofs_;
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<layer::LayerManager> manager_;
    std::atomic<bool> closed_ = false;
};

/// A layer whose bytes are fetched when they are read.
class LazyLayer final : public Layer {
  public:
    LazyLayer(std::shared_ptr<LazyCache> cache, store::LayerId number, const codec::Digest& id,
              std::uint64_t blob_bytes)
        : cache_(std::move(cache)), number_(number), id_(id), blob_bytes_(blob_bytes) {}

    const codec::Digest& id() const override { return id_; }
    Result<std::shared_ptr<const codec::FileTree>> tree() override;
    Result<void> read_disk(std::uint64_t offset_bytes, MutableByteView out) override;
    bool contents_are_claims() const override { return true; }
    Result<void> mount(const std::string& image, const std::string& target) override;
    std::uint64_t failed_reads() const override;
    std::uint64_t fetched_bytes() const override;
    std::uint64_t blob_bytes() const override { return blob_bytes_; }

  private:
    const std::shared_ptr<LazyCache> cache_;
    const store::LayerId number_;
    const codec::Digest id_;
    const std::uint64_t blob_bytes_;
    std::mutex mutex_;  // guards tree_
    std::shared_ptr<const codec::FileTree> tree_;
};

}  // namespace lazybuild::layers
