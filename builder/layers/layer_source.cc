// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/layer_source.h"

#include <algorithm>

namespace lazybuild::layers {
namespace {

constexpr std::uint64_t kReadBytes = 1 << 20;

}  // namespace

Result<std::size_t> LayerSource::read(MutableByteView out) {
    if (taken_bytes_ == buffer_.size()) {
        const std::uint64_t size_bytes = std::min(left_bytes_, kReadBytes);
        if (size_bytes <= out.size()) {
            const std::uint64_t whole_bytes = std::min<std::uint64_t>(left_bytes_, out.size());
            if (whole_bytes > 0) {
                CHECK_OK(layer_->read_disk(offset_bytes_, out.first(whole_bytes)));
            }
            offset_bytes_ += whole_bytes;
            left_bytes_ -= whole_bytes;
            return whole_bytes;
        }
        buffer_.resize(size_bytes);
        taken_bytes_ = buffer_.size();  // nothing in it, should the read fail
        CHECK_OK(layer_->read_disk(offset_bytes_, buffer_));
        taken_bytes_ = 0;
        offset_bytes_ += size_bytes;
        left_bytes_ -= size_bytes;
    }
    const auto part = ByteView{buffer_}.subspan(taken_bytes_);
    const std::size_t size_bytes = std::min(part.size(), out.size());
    std::ranges::copy(part.first(size_bytes), out.begin());
    taken_bytes_ += size_bytes;
    return size_bytes;
}

}  // namespace lazybuild::layers
