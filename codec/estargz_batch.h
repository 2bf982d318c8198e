// SPDX-License-Identifier: Apache-2.0
// A piece of an eStargz layer on its way from tar to blob: some whole gzip members, with what the
// table of contents will say of them. Large enough that handing it from thread to thread costs
// nothing, small enough that many are under way at once.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "codec/digest.h"
#include "codec/estargz_toc_json.h"

namespace lazybuild::codec {

/// A run of a file's payload that can be verified alone.
struct EstargzChunk {
    std::size_t begin_bytes = 0;  ///< in the batch's text
    std::size_t size_bytes = 0;
    std::size_t member = 0;  ///< index in the batch
    Digest digest;           ///< when the batch is packed
};

/// An entry whose header stands in the batch. Its chunks follow those of the entries before it, in
/// this batch or the next ones.
struct EstargzLine {
    TocEntry entry;
    std::uint64_t chunk_count = 0;
};

struct EstargzBatch {
    Bytes text;                        ///< of the tar that is written
    std::size_t own_bytes = 0;         ///< of its front, which are not in the source
    std::vector<std::size_t> members;  ///< where in `text` each starts; none: it is not written
    std::vector<EstargzChunk> chunks;
    std::vector<EstargzLine> lines;

    // Filled in by a worker.
    Bytes packed;                           ///< the members, one behind the other
    std::vector<std::size_t> packed_begin;  ///< of each, in `packed`
    bool is_packed = false;
};

}  // namespace lazybuild::codec
