// SPDX-License-Identifier: Apache-2.0
// Makes an eStargz blob from a plain tar: the same headers and payloads, byte for byte, but each
// file (and each chunk of a large one) starts a gzip member of its own, so that it can be fetched
// alone; files that a container needs to start come first; and a table of contents (TOC) comes
// last.
//
// Any gunzip and tar read the result. Entries change places, and an earlier entry of a path that
// comes again is dropped, so the diffID is a new one.
//
// Source: eStargz v0.4, and the writer rules of stargz-snapshotter's estargz library.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/stream.h"
#include "codec/digest.h"

namespace lazybuild::codec {

struct EstargzOptions {
    int level = 3;                              ///< kGzipLevelMin to kGzipLevelMax
    std::uint64_t chunk_size_bytes = 1u << 20;  ///< 4 KiB to kChunkBytesMax
    std::vector<std::string> prioritized;       ///< paths in the order in which they are needed
};

struct EstargzResult {
    Digest blob;  ///< of the bytes written
    std::uint64_t blob_size_bytes = 0;
    Digest diff_id;                             ///< of the tar inside
    std::uint64_t uncompressed_size_bytes = 0;  ///< of the tar inside
    Digest toc;                                 ///< of the TOC's JSON: annotation toc.digest
    /// Of EstargzOptions::prioritized, as given, what the tar does not hold.
    std::vector<std::string> prioritized_missing;
};

/// Reads `tar` twice. Memory is bounded by the number of entries and chunks, not by their bytes.
/// Equal input gives equal output (see GzipWriter for its limits).
/// Errors: invalid_argument for options out of range; those of TarReader for `tar`; bad_message for
/// a hard link whose target is not a file of the layer; over_limit past kLayerEntriesMax or
/// kTocBytesMax; those of `tar` and `out`. After an Error `out` holds part of a blob.
Result<EstargzResult> write_estargz(const RandomAccess& tar, const EstargzOptions& options,
                                    ByteSink& out);

}  // namespace lazybuild::codec
