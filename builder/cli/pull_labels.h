// SPDX-License-Identifier: Apache-2.0
// The labels that make containerd keep what belongs together, and that tell a snapshotter which
// layer it is asked for.
//
// Sources: containerd docs/garbage-collection.md and images/handlers.go for gc.ref.*;
// pkg/snapshotters and docs/remote-snapshotter.md for snapshot labels; reference C.3.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codec/oci_manifest.h"
#include "snapshotter/registry/reference.h"

namespace lazybuild::cli {

/// containerd refuses labels whose name and value are longer than this together.
inline constexpr std::size_t kLabelBytesMax = 4096;

/// On an index: references to its manifests, "m.0", "m.1", …
codec::StringMap index_gc_labels(const codec::Index& index);
/// On a manifest: references to its config and its layers. Layers that are not in the content store
/// may be named: containerd then knows what belongs to the image when they are fetched later.
codec::StringMap manifest_gc_labels(const codec::Manifest& manifest);
/// On a config: a reference to the image's snapshot, and so to all below it.
codec::StringMap config_gc_labels(std::string_view snapshotter, const codec::Digest& chain_id);

/// On everything from a repository: where it can be had again. `present` is the label's value
/// until now, to which the repository is added; "" for none.
struct Label {
    std::string name;
    std::string value;
};
Label source_label(const registry::Repository& repository, std::string_view present);
std::string source_label_name(const registry::Repository& repository);

/// For Prepare of one layer of an image.
struct LayerLabels {
    std::string image;                             ///< the full name of the image
    codec::Digest manifest;                        ///< of the image for this platform
    const std::vector<codec::Descriptor>& layers;  ///< all of them, bottom first; outlives this
    std::size_t layer = 0;                         ///< which one
    codec::Digest diff_id;                         ///< of this layer
    codec::Digest chain_id;                        ///< of this layer
    std::string parent_chain_id;                   ///< "" for the lowest
};
codec::StringMap snapshot_labels(const LayerLabels& labels);

}  // namespace lazybuild::cli
