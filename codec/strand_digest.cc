// SPDX-License-Identifier: Apache-2.0
#include "codec/strand_digest.h"

#include <algorithm>
#include <utility>

namespace lazybuild::codec {
namespace {

constexpr std::size_t kBlockBytes = 256 << 10;
constexpr std::size_t kBlocksMax = 16;

}  // namespace

void StrandDigest::update(ByteView bytes) {
    while (!bytes.empty()) {
        const std::size_t count = std::min(bytes.size(), kBlockBytes - block_.size());
        block_.insert(block_.end(), bytes.begin(),
                      bytes.begin() + static_cast<std::ptrdiff_t>(count));
        bytes = bytes.subspan(count);
        if (block_.size() == kBlockBytes) {
            post();
        }
    }
}

void StrandDigest::post() {
    if (++posted_ > kBlocksMax) {
        strand_.wait();
        posted_ = 1;
    }
    strand_.post([this, block = std::exchange(block_, {})] { running_.update(block); });
    block_.reserve(kBlockBytes);
}

Digest StrandDigest::finish() {
    strand_.wait();
    posted_ = 0;
    running_.update(block_);
    block_.clear();
    return running_.finish();
}

}  // namespace lazybuild::codec
