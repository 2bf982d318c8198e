// SPDX-License-Identifier: Apache-2.0
// What the table of contents (TOC) of an eStargz blob claims about bytes: every digest in it, with
// the place of what it is the digest of. All entries count, also those that a later one replaces,
// and landmarks.
//
// For who reads a whole blob to find out whether the TOC is right. To mount one: estargz_toc.h.
//
// Source: eStargz v0.4 "TOCEntry".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "codec/chunk_walk.h"
#include "codec/digest.h"

namespace lazybuild::codec {

struct ClaimedChunk {
    ChunkPlace place;
    std::uint64_t file_offset_bytes = 0;
    std::uint32_t file = 0;  ///< index into TocClaims::files
    std::optional<Digest> digest;
};

struct ClaimedFile {
    std::string path;  ///< cleaned (clean_path)
    std::uint64_t size_bytes = 0;
    std::uint32_t chunks = 0;
    std::optional<Digest> digest;  ///< of all of it
};

struct TocClaims {
    std::vector<ClaimedFile> files;    ///< regular files, in the order of the TOC
    std::vector<ClaimedChunk> chunks;  ///< in the order of their places
};

/// Errors: bad_message for what is not JSON or not a TOC, a digest that is none, and chunks that do
/// not cover their file; over_limit past the limits of estargz_toc.h; those of `json`.
Result<TocClaims> parse_toc_claims(ByteSource& json);

}  // namespace lazybuild::codec
