// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/layer.h"

#include "codec/sha256.h"

namespace lazybuild::layers {

// A chain, so that the snapshots below another one can be named with what has been hashed.
codec::Digest Snapshot::id() const {
    codec::Digest id = codec::sha256(as_bytes("lazybuild snapshot 1"));
    for (const LayerPointer& layer : layers) {
        codec::Sha256 hash;
        hash.update(id.raw());
        hash.update(layer->id().raw());
        id = hash.finish();
    }
    return id;
}

}  // namespace lazybuild::layers
