// SPDX-License-Identifier: Apache-2.0
// From a blob's name to its index on disk: fetch the tail, verify the table of contents against the
// manifest's digest, and make the layer's files from it. A few hundred kilobytes of a layer of any
// size.
//
// Thread: the reactor's; parsing and writing run on the pool.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "codec/digest.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/layer/layer_context.h"
#include "snapshotter/store/records.h"

namespace lazybuild::layer {

/// Which layer, and where it can be had; as an image's manifest says.
struct LayerRequest {
    store::Origin origin;
    codec::Digest blob;
    std::uint64_t blob_size_bytes = 0;
    /// Of the TOC's JSON; without it nothing can be trusted before all is here. Zeros: a layer
    /// without an index, to be unpacked whole (whole_layer.h).
    codec::Digest toc;
    std::optional<codec::Digest> diff_id;  ///< as the image's config claims
};

/// Makes the layer's record, its origin and its files. The context outlives the task.
/// Errors: not_supported for a blob that has no index, or that no mount can show exactly;
/// bad_message for a TOC that is not the one of the manifest, or not a TOC; over_limit past the
/// codecs' limits; those of the origins.
io::Task<Result<store::LayerRecord>> make_index(LayerContext& context, LayerRequest request,
                                                io::Wait wait);

}  // namespace lazybuild::layer
