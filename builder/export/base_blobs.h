// SPDX-License-Identifier: Apache-2.0
// The layers of a base as the blobs that its registry has, known to the store without opening the
// image: a build in which every step was found in a cache never opens one. And their tars, for who
// compresses them otherwise.
#pragma once

#include "base/result.h"
#include "base/stream.h"
#include "builder/image/image_documents.h"
#include "builder/image/session.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::exporter {

/// Tells `store` of the blobs of an image, and that they are at `origin`. Cheap when it knows.
/// Errors: bad_message when the config has not one diffID for each layer; those of the store.
Result<void> remember_base(layers::LayerStore& store, const image::ImageDocument& manifest,
                           const image::ConfigDocument& config, const store::Origin& origin);

/// Writes the tar that `blob` of a base holds to `tar`, the blob being read from the store or from
/// wherever it can be had, and verified after the last write: `tar` gets what may be no good before
/// the Error. Not on the reactor's thread, which runs; `tar` is written to on the session's.
/// Errors: bad_message for a damaged blob; no_such_file_or_directory when it is nowhere; those of
/// the place and of `tar`.
Result<void> copy_tar(layers::LayerStore& store, image::Session& session,
                      const codec::Descriptor& blob, ByteSink& tar);

}  // namespace lazybuild::exporter
