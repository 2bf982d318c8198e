// SPDX-License-Identifier: Apache-2.0
// A whole blob from where it is into a sink: reads on the reactor, writes on the pool, and the one
// goes on while the other works.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"
#include "base/stream.h"
#include "snapshotter/io/pool.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/registry/blob_stream.h"

namespace lazybuild::layer {

/// Opens the blob at an offset, as BlobOrigins::open does. Is no coroutine itself: it returns the
/// task of one.
using BlobOpener = std::function<io::Task<Result<std::unique_ptr<registry::BlobStream>>>(
    std::uint64_t offset_bytes, io::Wait wait)>;

/// Told of bytes as they come, on the reactor's thread; may be empty.
using OnFetched = std::function<void(std::uint64_t bytes)>;

/// Writes the blob's bytes to `sink`, one call at a time, and none once the task has ended. Not
/// verified but for the size. A stream that breaks is opened again where it broke, some times.
/// Thread: the reactor's. The reactor, the pool and `sink` outlive the task.
/// Errors: bad_message when the blob has not `blob_size_bytes`; those of `open`, its streams, and
/// `sink`.
io::Task<Result<void>> pump_blob(io::Reactor& reactor, io::Pool& pool, BlobOpener open,
                                 std::uint64_t blob_size_bytes, ByteSink& sink, OnFetched fetched,
                                 io::Wait wait);

}  // namespace lazybuild::layer
