// SPDX-License-Identifier: Apache-2.0
// What a manifest alone says of the layers of images: what names them (the blob, and the table of
// contents that the manifest vouches for), and how they are compressed. (image_layer_ids is in
// layer_store.h, for all rooms.)
#pragma once

#include <optional>

#include "builder/layers/layer.h"
#include "codec/digest.h"
#include "codec/oci_descriptor.h"

namespace lazybuild::layers {

/// The digest of the layer's table of contents, as annotated in the way of the layer's format;
/// nullopt when there is none, or it is no digest. Threads: any.
std::optional<codec::Digest> annotated_toc(const codec::Descriptor& layer);

/// How the blob holds its layer, by media type and annotations; gzip when they do not say.
Compression compression_of(const codec::Descriptor& layer);

}  // namespace lazybuild::layers
