// SPDX-License-Identifier: Apache-2.0
// SHA-256 of a stream, or of one buffer. OpenSSL does the work: it uses SHA-NI where the CPU has
// it. (FIPS 180-4.)
#pragma once

#include <memory>

#include "base/bytes.h"
#include "codec/digest.h"

namespace lazybuild::codec {

/// A running digest. Movable. One thread at a time.
class Sha256 {
  public:
    Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;
    ~Sha256();

    void update(ByteView bytes);
    /// The digest of everything so far; the object starts anew afterwards.
    Digest finish();

  private:
    struct Context;
    std::unique_ptr<Context> context_;
};

Digest sha256(ByteView bytes);

}  // namespace lazybuild::codec
