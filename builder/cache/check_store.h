// SPDX-License-Identifier: Apache-2.0
// Whether the layers of a store's records can still be had: of each the layer that its step made,
// and those of the file system which that stands on, as far as it is known. Nothing is fetched, and
// nothing is written: layers that are here are read, others are asked for where their blobs are.
#pragma once

#include <vector>

#include "base/result.h"
#include "builder/cache/check_report.h"
#include "builder/image/session.h"
#include "builder/layers/layer_store.h"
#include "builder/solve/records.h"
#include "codec/digest.h"

namespace lazybuild::cache {

/// `bases`: of images that steps may stand on, the ids of their layers, bottom first. Blocks; not
/// on the reactor's thread. Errors: those of the records; operation_canceled.
Result<CheckReport> check_store(layers::LayerStore& store, solve::Records& records,
                                const std::vector<std::vector<codec::Digest>>& bases,
                                layers::CheckDepth depth, image::Session& session);

}  // namespace lazybuild::cache
