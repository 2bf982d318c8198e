// SPDX-License-Identifier: Apache-2.0
// Blobs without an index: a layer's tar, compressed with gzip or zstd, or as it is
// (codec/plain_layer_writer.h), and what a manifest says of them (OCI image spec, layer.md).
#pragma once

#include <functional>

#include "base/result.h"
#include "base/stream.h"
#include "base/workers.h"
#include "builder/layers/layer.h"

namespace lazybuild::exporter {

/// Compresses what `write_tar` gives to the sink it is called with; `out` is written to on the
/// thread that writes there. `compression` is not estargz; `level` as PlainLayerWriter::create.
/// Returns the blob with its digest, size and diffID. Errors: invalid_argument for the level; those
/// of `write_tar` and `out`. Threads: any; blocks.
Result<layers::LayerBlob> write_plain_blob(
    layers::Compression compression, int level, Workers& workers, ByteSink& out,
    const std::function<Result<void>(ByteSink& tar)>& write_tar);

}  // namespace lazybuild::exporter
