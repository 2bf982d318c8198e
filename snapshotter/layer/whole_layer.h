// SPDX-License-Identifier: Apache-2.0
// From a blob without an index to a complete layer of the store: downloaded and unpacked in one
// pass (plain_layer.h), blob digest and diffID verified, and only then known to anybody.
//
// Thread: the reactor's; unpacking and writing run on the pool.
#pragma once

#include <chrono>

#include "base/result.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/layer/layer_context.h"
#include "snapshotter/layer/layer_index.h"
#include "snapshotter/store/records.h"

namespace lazybuild::layer {

/// However slowly bytes come. (A peer that is silent is given up by the client.)
inline constexpr std::chrono::hours kWholeLayerTimeMax{1};

/// Makes the layer's record, which is complete, its origin and its files; `request.toc` is zeros.
/// While it works, background fills rest. The context outlives the task.
/// Errors: invalid_argument without a diffID to verify; not_supported for a layer that no mount can
/// show exactly; those of unpack_plain and the store. Then nothing is left.
io::Task<Result<store::LayerRecord>> make_whole(LayerContext& context, LayerRequest request,
                                                io::Wait wait);

}  // namespace lazybuild::layer
