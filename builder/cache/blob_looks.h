// SPDX-License-Identifier: Apache-2.0
// Whether blobs are where they are said to be: asked for, several at once, and never read.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/image/image_source.h"
#include "builder/image/session.h"
#include "codec/oci_descriptor.h"

namespace lazybuild::cache {

/// A blob, and who may have it.
struct WantedBlob {
    codec::Descriptor blob;                                   ///< a size of 0: nobody says it
    std::vector<std::shared_ptr<image::ImageSource>> places;  ///< in the order they are asked in
};

struct BlobLook {
    std::optional<std::size_t> place;  ///< which of them has it; none: nobody
    std::string why;                   ///< nobody: what each of them said
};

/// For messages: where a source's blobs are.
std::string place_name(const image::ImageSource& source);

/// One answer for each of `wanted`. A place that gives no answer several times is not asked again.
/// Blocks; not on the reactor's thread. Errors: operation_canceled.
Result<std::vector<BlobLook>> look_for_blobs(const std::vector<WantedBlob>& wanted,
                                             image::Session& session);

}  // namespace lazybuild::cache
