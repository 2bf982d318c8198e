// SPDX-License-Identifier: Apache-2.0
// An image that the builder's store has: documents and new layers are files there, layers of bases
// are wherever their origins say. What is not here is fetched when it is read.
#pragma once

#include <memory>
#include <string>

#include "builder/image/image_source.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::exporter {

/// `store` and `session` outlive it. `root` is the image's manifest or index; a source that is only
/// asked for blobs needs none.
std::unique_ptr<image::ImageSource> store_source(layers::LayerStore& store, image::Session& session,
                                                 std::string name, codec::Descriptor root = {});

}  // namespace lazybuild::exporter
