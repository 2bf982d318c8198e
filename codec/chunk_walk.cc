// SPDX-License-Identifier: Apache-2.0
#include "codec/chunk_walk.h"

#include <algorithm>
#include <utility>

namespace lazybuild::codec {

ChunkWalk::ChunkWalk(std::size_t count, std::function<ChunkPlace(std::size_t)> place_of,
                     Visitor& visitor)
    : count_(count), place_of_(std::move(place_of)), visitor_(visitor) {}

void ChunkWalk::begin_member(std::uint64_t blob_offset_bytes) {
    member_ = blob_offset_bytes;
    offset_bytes_ = 0;
}

// What is said of a member that has gone by, or of no member at all, is not there to be found.
Result<void> ChunkWalk::open_chunks(std::uint64_t begin, std::uint64_t end) {
    for (; next_ < count_; ++next_) {
        const ChunkPlace place = place_of_(next_);
        const bool gone_by =
            place.blob_offset_bytes < member_ ||
            (place.blob_offset_bytes == member_ && place.member_offset_bytes < begin);
        if (gone_by) {
            CHECK_OK(visitor_.missing(next_));
        } else if (place.blob_offset_bytes > member_ || place.member_offset_bytes >= end) {
            return {};
        } else if (open_.size() == kOpenChunksMax) {
            return fail(over_limit("too many chunks share the same bytes of the blob"));
        } else {
            open_.push_back(next_);
        }
    }
    return {};
}

Result<void> ChunkWalk::take(ByteView bytes) {
    const std::uint64_t begin = offset_bytes_;
    const std::uint64_t end = begin + bytes.size();
    offset_bytes_ = end;
    CHECK_OK(open_chunks(begin, end));
    std::size_t still_open = 0;
    for (const std::size_t chunk : open_) {
        const ChunkPlace place = place_of_(chunk);
        if (place.blob_offset_bytes != member_) {
            CHECK_OK(visitor_.missing(chunk));
            continue;
        }
        const std::uint64_t from = std::max(begin, place.member_offset_bytes);
        const std::uint64_t to = std::min(end, place.member_offset_bytes + place.size_bytes);
        CHECK_OK(visitor_.part(chunk, from - place.member_offset_bytes,
                               bytes.subspan(from - begin, to - from)));
        if (to != place.member_offset_bytes + place.size_bytes) {
            open_[still_open++] = chunk;
        }
    }
    open_.resize(still_open);
    return {};
}

Result<void> ChunkWalk::finish() {
    for (const std::size_t chunk : std::exchange(open_, {})) {
        CHECK_OK(visitor_.missing(chunk));
    }
    while (next_ < count_) {
        CHECK_OK(visitor_.missing(next_++));
    }
    return {};
}

}  // namespace lazybuild::codec
