// SPDX-License-Identifier: Apache-2.0
// What format a layer's blob has, found out with one small read, and its table of contents.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "builder/cli/image_source.h"
#include "codec/estargz_footer.h"
#include "codec/estargz_toc.h"

namespace lazybuild::cli {

/// Annotations of eStargz layers (reference: eStargz v0.4, "Annotations").
inline constexpr std::string_view kTocDigestAnnotation = "containerd.io/snapshot/stargz/toc.digest";
inline constexpr std::string_view kUncompressedSizeAnnotation =
    "io.containers.estargz.uncompressed-size";

/// A TOC's members are read into memory; more than this is no TOC that codec would take.
inline constexpr std::uint64_t kTocMembersBytesMax = 64 << 20;

enum class LayerFormat { tar, gzip, estargz, zstd, zstd_chunked, other };
std::string_view layer_format_name(LayerFormat format);

struct LayerInspection {
    LayerFormat format = LayerFormat::other;
    /// Whether the snapshotter can serve it without fetching all of it.
    bool lazy = false;
    std::string reason;                          ///< why not, when it looks as if it could
    std::optional<codec::EstargzFooter> footer;  ///< eStargz
    std::optional<codec::Digest> toc_digest;     ///< as annotated
};

/// Reads the last bytes of gzip layers; all else is told by media type and annotations.
io::Task<Result<LayerInspection>> inspect_layer(ImageSource& source, codec::Descriptor layer,
                                                io::Wait wait);

/// The gzip members of an eStargz layer's TOC, where `inspection` found them; not verified.
io::Task<Result<Bytes>> read_toc_members(ImageSource& source, codec::Descriptor layer,
                                         codec::EstargzFooter footer, io::Wait wait);

/// An eStargz layer's TOC, as `inspection` found it; verified when its digest is annotated.
io::Task<Result<codec::Toc>> read_toc(Session& session, ImageSource& source,
                                      codec::Descriptor layer, LayerInspection inspection,
                                      io::Wait wait);

}  // namespace lazybuild::cli
