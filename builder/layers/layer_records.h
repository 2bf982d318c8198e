// SPDX-License-Identifier: Apache-2.0
// What <root>/build.db says about layers: the blobs that hold them, where blobs can be had again,
// and the diffIDs of base layers that were unpacked. A layer itself is its directory.
//
// Threads: any. Processes: any number of them.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "builder/layers/layer.h"
#include "snapshotter/layer/host_health.h"
#include "snapshotter/store/database.h"
#include "snapshotter/store/records.h"

namespace lazybuild::layers {

class LayerRecords {
  public:
    /// Errors: those of store::Database; not_supported when a newer version made the tables.
    static Result<std::unique_ptr<LayerRecords>> open(const std::string& root);

    Result<std::vector<LayerBlob>> blobs(const codec::Digest& layer);
    /// A blob that is known already gets what is said now.
    Result<void> add_blob(const codec::Digest& layer, const LayerBlob& blob);

    /// In the order in which they became known.
    Result<std::vector<store::Origin>> origins(const codec::Digest& blob);
    Result<void> add_origin(const codec::Digest& blob, const store::Origin& origin);
    /// Of many blobs, all or none.
    Result<void> add_origins(const std::vector<codec::Digest>& blobs, const store::Origin& origin);

    /// How the registries among all origins do; known to this process alone. Thread: any.
    layer::HostHealth& health() { return health_; }

    /// Blobs of bases, of one image, and where it is; what is known of a blob already stays.
    using BaseBlob = std::pair<codec::Digest, LayerBlob>;  ///< by the layer's id
    Result<void> add_base_blobs(const std::vector<BaseBlob>& blobs, const store::Origin& origin);

    /// Of a base layer that was unpacked: its diffID, verified, and its blob's size.
    struct Unpacked {
        codec::Digest diff_id;
        std::uint64_t blob_bytes = 0;
    };
    Result<std::optional<Unpacked>> unpacked(const codec::Digest& layer);
    Result<void> set_unpacked(const codec::Digest& layer, const Unpacked& unpacked);

    /// All that is said of a layer, not of its blobs.
    Result<void> forget(const codec::Digest& layer);

  private:
    explicit LayerRecords(store::Database database) : database_(std::move(database)) {}

    Result<void> insert_blob(const codec::Digest& layer, const LayerBlob& blob,
                             std::string_view on_conflict);
    Result<void> insert_origin(const codec::Digest& blob, const store::Origin& origin);

    std::mutex mutex_;  // guards database_
    store::Database database_;
    layer::HostHealth health_;
};

}  // namespace lazybuild::layers
