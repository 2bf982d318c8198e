// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/layer.h"

#include "codec/sha256.h"

namespace lazybuild::layers {

// A chain, so that the snapshots below another one can be named with what has been hashed.
codec::Digest snapshot_id(std::span<const codec::Digest> layer_ids) {
    codec::Digest id = codec::sha256(as_bytes("lazybuild snapshot 1"));
    for (const codec::Digest& layer : layer_ids) {
        codec::Sha256 hash;
        hash.update(id.raw());
        hash.update(layer.raw());
        id = hash.finish();
    }
    return id;
}

codec::Digest Snapshot::id() const {
    std::vector<codec::Digest> ids;
    for (const LayerPointer& layer : layers) {
        ids.push_back(layer->id());
    }
    return snapshot_id(ids);
}

}  // namespace lazybuild::layers
