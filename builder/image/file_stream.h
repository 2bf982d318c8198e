// SPDX-License-Identifier: Apache-2.0
// A blob that is a file, as a stream like those of registries: read on the session's pool.
#pragma once

#include <cstdint>
#include <memory>

#include "base/fd.h"
#include "builder/image/session.h"
#include "snapshotter/registry/blob_stream.h"

namespace lazybuild::image {

/// From `offset_bytes` on; `size_bytes` is the blob's, from its beginning. `session` outlives it.
/// Thread: the reactor's. Errors of reading: errno, operation_canceled.
std::unique_ptr<registry::BlobStream> file_stream(Fd file, std::uint64_t offset_bytes,
                                                  std::uint64_t size_bytes, Session& session);

}  // namespace lazybuild::image
