// SPDX-License-Identifier: Apache-2.0
// The blob half of a layer: any part of it, from whichever of its recorded origins has it. The way
// to the bytes belongs to the blob's own record, and to nothing by which one came to it. Registries
// that have not answered lately are asked last, and none is waited for to the end while there are
// others.
//
// Threads: the reactor's. Lifetime: the store, the client, the pool and the reactor outlive this.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/digest.h"
#include "snapshotter/io/pool.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/layer/host_health.h"
#include "snapshotter/registry/client.h"
#include "snapshotter/store/store.h"

namespace lazybuild::layer {

class BlobOrigins {
  public:
    BlobOrigins(store::Store& store, registry::Client& client, io::Reactor& reactor, io::Pool& pool)
        : store_(store), client_(client), reactor_(reactor), pool_(pool) {}

    /// Exactly bytes [offset, offset + size) of `blob`, not verified. The origins are asked in
    /// their order, starting with number `first` modulo their count (so that a caller who was given
    /// wrong bytes can ask the next one); the Error is the last origin's.
    /// Errors: no_such_file_or_directory when no origin is known.
    io::Task<Result<Bytes>> read(codec::Digest blob, std::uint64_t offset_bytes,
                                 std::uint64_t size_bytes, std::size_t first, io::Wait wait);

    /// The blob from `offset_bytes` to its end, from the first origin that answers.
    io::Task<Result<std::unique_ptr<registry::BlobStream>>> open(codec::Digest blob,
                                                                 std::uint64_t offset_bytes,
                                                                 io::Wait wait);

    /// The host that is asked first, "" for files: whose limits are to be obeyed (origin_limits.h).
    io::Task<Result<std::string>> first_host(codec::Digest blob);

  private:
    /// In the order in which they are to be asked, if `first` begins.
    io::Task<Result<std::vector<store::Origin>>> origins_of(codec::Digest blob, std::size_t first);

    store::Store& store_;
    registry::Client& client_;
    io::Reactor& reactor_;
    io::Pool& pool_;
    HostHealth health_;
};

}  // namespace lazybuild::layer
