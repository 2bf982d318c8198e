// SPDX-License-Identifier: Apache-2.0
// The digest of a stream, computed beside the thread that has the stream: bytes are copied, and
// hashed in order by whichever worker is free.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/workers.h"
#include "codec/digest.h"
#include "codec/sha256.h"
#include "codec/strand.h"

namespace lazybuild::codec {

/// Threads: one caller at a time. Memory: four mebibytes at most; where the workers are slower than
/// the stream, its own thread helps.
class StrandDigest {
  public:
    /// `workers` outlives it.
    explicit StrandDigest(Workers& workers) : strand_(workers) {}

    void update(ByteView bytes);
    /// The digest of everything so far; the object starts anew afterwards.
    Digest finish();

  private:
    void post();

    Bytes block_;
    std::size_t posted_ = 0;  // blocks since the last wait
    Sha256 running_;          // touched by the strand's jobs, and when it is idle
    Strand strand_;           // last: its jobs end before what they use
};

}  // namespace lazybuild::codec
