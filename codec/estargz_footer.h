// SPDX-License-Identifier: Apache-2.0
// The footer of an eStargz blob: an empty gzip member at its very end, whose extra field says where
// the table of contents (TOC) starts.
//
// Source: eStargz v0.4 "Footer" (51 bytes, 'SG' subfield); stargz/CRFS (47 bytes, read only).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"

namespace lazybuild::codec {

/// What of a blob's end find_estargz_footer needs; also the size of the footer we write.
inline constexpr std::size_t kEstargzFooterBytesMax = 51;

struct EstargzFooter {
    std::uint64_t toc_offset_bytes = 0;  ///< of the TOC's gzip member; not compared with the blob
    std::size_t footer_size_bytes = 0;   ///< the TOC's members end this far before the blob's end
};

/// Looks at the last bytes of a blob (kEstargzFooterBytesMax of them, or all of a smaller blob).
/// nullopt: this is not an eStargz blob.
/// Errors: bad_message for a footer whose offset is not 16 lower-case hexadecimal digits or does
/// not fit 63 bits; not_supported for a blob whose TOC is kept outside of it.
Result<std::optional<EstargzFooter>> find_estargz_footer(ByteView blob_tail);

/// The footer to write behind a TOC.
std::array<std::byte, kEstargzFooterBytesMax> estargz_footer(std::uint64_t toc_offset_bytes);

}  // namespace lazybuild::codec
