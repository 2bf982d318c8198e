// SPDX-License-Identifier: Apache-2.0
// What the table of contents (TOC) of an eStargz blob claims about bytes: every digest in it, with
// the place of what it is the digest of. All entries count, also those that a later one replaces,
// and landmarks.
//
// For who reads a whole blob to find out whether the TOC is right. To mount one: estargz_toc.h.
//
// Source: eStargz v0.4 "TOCEntry".
#pragma once

#include "base/result.h"
#include "base/stream.h"
#include "codec/toc.h"

namespace lazybuild::codec {

/// Errors: bad_message for what is not JSON or not a TOC, a digest that is none, and chunks that do
/// not cover their file; over_limit past the limits of estargz_toc.h; those of `json`.
Result<TocClaims> parse_toc_claims(ByteSource& json);

}  // namespace lazybuild::codec
