// SPDX-License-Identifier: Apache-2.0
// Counts and digests what passes through to another sink, or to nowhere.
#pragma once

#include <cstdint>

#include "base/stream.h"
#include "codec/sha256.h"

namespace lazybuild::codec {

/// One thread at a time.
class DigestSink final : public ByteSink {
  public:
    /// `next` outlives it.
    explicit DigestSink(ByteSink* next = nullptr) : next_(next) {}

    Result<void> write(ByteView bytes) override {
        size_bytes_ += bytes.size();
        running_.update(bytes);
        return next_ == nullptr ? Result<void>{} : next_->write(bytes);
    }
    std::uint64_t size_bytes() const { return size_bytes_; }
    Digest finish() { return running_.finish(); }

  private:
    ByteSink* next_;
    Sha256 running_;
    std::uint64_t size_bytes_ = 0;
};

}  // namespace lazybuild::codec
