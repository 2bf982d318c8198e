// SPDX-License-Identifier: Apache-2.0
// Reads the table of contents (TOC) of an eStargz blob into a FileTree.
//
// Trust: a TOC is JSON from a registry, bound to its layer only by the digest in the manifest,
// which the caller compares (the digest is over the JSON bytes alone). Everything in it is checked
// here, and a file that could not be verified when it is read is refused now.
//
// Source: eStargz v0.4 "TOC", and the reader rules of stargz-snapshotter's estargz library.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"
#include "codec/toc.h"

namespace lazybuild::codec {

/// Names at the root of a layer that are eStargz's own and never files of the image.
inline constexpr std::string_view kTocName = "stargz.index.json";
inline constexpr std::string_view kPrefetchLandmark = ".prefetch.landmark";
inline constexpr std::string_view kNoPrefetchLandmark = ".no.prefetch.landmark";

/// Limits on what a TOC may say.
inline constexpr std::uint64_t kTocBytesMax = 4ull << 30;  ///< of JSON
inline constexpr std::uint64_t kTocRatioMax = 256;         ///< JSON to compressed bytes, past 1 MiB
inline constexpr std::size_t kTocDepthMax = 32;            ///< of nested JSON
inline constexpr std::uint64_t kChunkBytesMax = 64ull << 20;  ///< uncompressed

/// The JSON inside a TOC's gzip members, as it inflates: a table of contents is ten times as large
/// as its members, and nobody needs all of it at once.
/// Errors of read(): bad_message when it is not gzip of a tar with exactly one file named
/// stargz.index.json; over_limit past kTocBytesMax or kTocRatioMax.
class TocText final : public ByteSource {
  public:
    /// `toc_members`: blob[toc_offset, blob_size - footer_size), which outlives this.
    explicit TocText(ByteView toc_members);
    ~TocText() override;

    Result<std::size_t> read(MutableByteView out) override;
    /// Of the JSON, once read() has come to its end without a failure.
    std::optional<Digest> digest() const;

  private:
    struct Archive;
    std::unique_ptr<Archive> archive_;
};

/// Reads the JSON of a TOC. `toc_offset_bytes` is the end of the blob's data members.
/// Errors: bad_message for what is not JSON or not a TOC, a file without digests, or one whose
/// chunks do not cover it; over_limit past the limits above and those of FileTreeBuilder; those of
/// `json`. Messages name the entry. Memory: that of the tree, plus 8 bytes a chunk.
Result<Toc> parse_toc(ByteSource& json, std::uint64_t toc_offset_bytes);

/// Both in one pass. Errors: also bad_message when the JSON's digest is not `expected`, whatever
/// else may be wrong with it.
Result<Toc> read_toc(ByteView toc_members, std::uint64_t toc_offset_bytes,
                     const std::optional<Digest>& expected);

}  // namespace lazybuild::codec
