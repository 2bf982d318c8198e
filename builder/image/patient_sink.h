// SPDX-License-Identifier: Apache-2.0
// Ends a long computation when the user wants it to end: what writes through it stops.
#pragma once

#include "base/result.h"
#include "base/stream.h"
#include "builder/image/session.h"

namespace lazybuild::image {

/// Passes everything on to another sink. Threads: as that sink.
class PatientSink final : public ByteSink {
  public:
    /// Both outlive it.
    PatientSink(ByteSink& next, const Session& session) : next_(next), session_(session) {}

    /// Errors: operation_canceled once the session is interrupted; those of the next sink.
    Result<void> write(ByteView bytes) override {
        CHECK_OK(session_.check_interrupt());
        return next_.write(bytes);
    }

  private:
    ByteSink& next_;
    const Session& session_;
};

}  // namespace lazybuild::image
