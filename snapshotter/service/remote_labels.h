// SPDX-License-Identifier: Apache-2.0
// What containerd's labels on Prepare say about the layer that is wanted. Untrusted text: parsed
// here, once.
//
// Sources: reference C.3; containerd's pkg/snapshotters (cri.*), stargz-snapshotter's source
// labels.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/digest.h"
#include "snapshotter/registry/reference.h"
#include "snapshotter/store/records.h"

namespace lazybuild::service {

struct RemoteTarget {
    codec::Digest chain_id;  ///< containerd.io/snapshot.ref
    registry::Reference image;
    codec::Digest layer;
    std::optional<codec::Digest> manifest;
    std::optional<codec::Digest> toc;
    /// This layer and those above it, as far as they found room in a label; empty: not said.
    std::vector<codec::Digest> layers;
};

/// True when the labels ask for a remote snapshot at all.
bool asks_for_remote(const store::Labels& labels);

/// Errors: invalid_argument, naming the label that is missing or wrong.
Result<RemoteTarget> parse_remote_labels(const store::Labels& labels);

}  // namespace lazybuild::service
