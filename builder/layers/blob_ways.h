// SPDX-License-Identifier: Apache-2.0
// All ways to a blob: where it was said to be, and wherever else it is known to have been. What is
// named by its content may come from anywhere.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "builder/image/image_source.h"
#include "builder/image/session.h"
#include "builder/layers/layer_records.h"
#include "snapshotter/layer/blob_pump.h"
#include "snapshotter/layer/host_health.h"

namespace lazybuild::layers {

/// In the order in which they are to be asked.
using BlobWays = std::vector<std::shared_ptr<image::ImageSource>>;

/// `source`, then the blob's recorded origins that can be opened. Blocks on the disk; not on the
/// reactor's thread. `session` outlives what it returns. Errors: those of the records.
Result<BlobWays> ways_to(image::Session& session, LayerRecords& records,
                         std::shared_ptr<image::ImageSource> source, const codec::Digest& blob);

/// Asks one way after the other, those last that have not answered lately; the Error is that of the
/// first. Keeps `ways`; `health` outlives what it returns, which is called on the reactor's thread.
layer::BlobOpener blob_opener(layer::HostHealth& health, BlobWays ways, codec::Descriptor blob);

}  // namespace lazybuild::layers
