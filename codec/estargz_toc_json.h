// SPDX-License-Identifier: Apache-2.0
// The JSON of an eStargz table of contents (TOC), one entry at a time in both directions, so that a
// TOC of a hundred megabytes is never in memory as a tree of JSON values. What the entries mean is
// estargz_toc.h's business (reading) and estargz_writer.h's (writing).
//
// Source: eStargz v0.4 "TOCEntry". JSON cannot say names that are not UTF-8: every writer leaves
// U+FFFD in them. Ours adds the exact bytes of such a name, or one that holds U+FFFD itself, in
// fields that other readers pass over; a name with U+FFFD and without them is refused, since it may
// be any.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"
#include "codec/file_tree.h"

namespace lazybuild::codec {

/// One object of "entries". Zero and empty are the same as absent, as in Go's "omitempty".
/// Numbers fit 63 bits.
struct TocEntry {
    std::string name;
    std::string type;  ///< dir, reg, symlink, hardlink, char, block, fifo, chunk
    std::uint64_t size_bytes = 0;
    std::string modtime;  ///< RFC 3339
    std::string link_name;
    std::uint64_t mode = 0;
    std::uint64_t uid = 0;
    std::uint64_t gid = 0;
    std::string user_name;
    std::string group_name;
    std::uint64_t offset_bytes = 0;        ///< "offset": of the member, in the blob
    std::uint64_t inner_offset_bytes = 0;  ///< "innerOffset": inside the member, uncompressed
    std::uint64_t device_major = 0;
    std::uint64_t device_minor = 0;
    std::vector<Xattr> xattrs;  ///< values as they are, not in base64
    std::string digest;
    std::uint64_t chunk_offset_bytes = 0;
    std::uint64_t chunk_size_bytes = 0;
    std::string chunk_digest;
};

/// Base64 of the bytes of "name" and "linkName".
inline constexpr std::string_view kExactNameKey = "lazybuildNameBase64";
inline constexpr std::string_view kExactLinkNameKey = "lazybuildLinkNameBase64";

/// Calls `take` for each entry, in order; its Error ends the reading. Unknown fields are skipped.
/// Names are the exact ones. `json` is read to its end, unless something fails; what failed there
/// comes back unchanged. Errors: bad_message for what is not JSON or not a version 1 TOC (names the
/// entry), or for an exact name that is not what the name says; not_supported for a name that
/// nobody can know; over_limit for JSON nested deeper than kTocDepthMax.
Result<void> read_toc_json(ByteSource& json, const std::function<Result<void>(TocEntry)>& take);

/// Writes a TOC as other eStargz writers do: fields in their order, indented with tabs.
/// `out` outlives it. Equal calls give equal bytes. Bytes that are not UTF-8 become U+FFFD, and
/// only those of names and link names are said besides.
class TocJsonWriter {
  public:
    explicit TocJsonWriter(ByteSink& out) : out_(out) {}

    Result<void> add(const TocEntry& entry);
    /// After the last entry.
    Result<void> finish();

  private:
    Result<void> flush();

    ByteSink& out_;
    std::string text_;
    bool any_ = false;
};

/// What JSON makes of a text: U+FFFD for what is not UTF-8.
std::string as_utf8(std::string_view text);
/// True when a reader can know the text from that: it is UTF-8 and has no U+FFFD of its own.
bool is_sayable(std::string_view text);

}  // namespace lazybuild::codec
