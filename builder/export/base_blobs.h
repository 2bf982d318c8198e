// SPDX-License-Identifier: Apache-2.0
// The layers of a base as the blobs that its registry has, known to the store without opening the
// image: a build in which every step was found in a cache never opens one.
#pragma once

#include "base/result.h"
#include "builder/image/image_documents.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::exporter {

/// How a blob holds its layer, by its media type and annotations.
layers::Compression compression_of(const codec::Descriptor& blob);

/// Tells `store` of the blobs of an image, and that they are at `origin`. Cheap when it knows.
/// Errors: bad_message when the config has not one diffID for each layer; those of the store.
Result<void> remember_base(layers::LayerStore& store, const image::ImageDocument& manifest,
                           const image::ConfigDocument& config, const store::Origin& origin);

}  // namespace lazybuild::exporter
