// SPDX-License-Identifier: Apache-2.0
// What format a layer's blob has, found out with one small read, and its table of contents.
//
// Tasks: on the reactor's thread; what they refer to outlives them. Errors: those of the source;
// bad_message for an index that is none; over_limit past kIndexBytesMax.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "builder/image/image_source.h"
#include "codec/layer_format.h"

namespace lazybuild::image {

/// An index is read into memory; more than this is none that codec would take.
inline constexpr std::uint64_t kIndexBytesMax = 64 << 20;

struct LayerInspection {
    std::string_view format = "other";  ///< its name: as in codec/layer_format.h, or without index
    /// Set: the blob has an index, at `index`.
    const codec::LayerFormat* indexed = nullptr;
    codec::IndexPlace index;
    /// Whether the snapshotter can serve it without fetching all of it.
    bool lazy = false;
    std::string reason;                       ///< why not, when it looks as if it could
    std::optional<codec::Digest> toc_digest;  ///< as annotated
};

/// Reads the last bytes of layers whose type may have an index; all else is told by media type and
/// annotations.
io::Task<Result<LayerInspection>> inspect_layer(ImageSource& source, codec::Descriptor layer,
                                                io::Wait wait);

/// A layer's index, where `inspection` found it; not verified.
io::Task<Result<Bytes>> read_index(ImageSource& source, codec::Descriptor layer,
                                   codec::IndexPlace index, io::Wait wait);

/// The TOC of a layer with an index; verified when its digest is annotated.
io::Task<Result<codec::Toc>> read_toc(Session& session, ImageSource& source,
                                      codec::Descriptor layer, LayerInspection inspection,
                                      io::Wait wait);

}  // namespace lazybuild::image
