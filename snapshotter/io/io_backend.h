// SPDX-License-Identifier: Apache-2.0
// I/O as a value, and the one interface that carries it out.
//
// This is the seam of the folder. Above it, the reactor and its operations know nothing of how the
// kernel is asked. Below it are the io_uring backend (uring_backend.h), a backend for kernels and
// containers that forbid io_uring, which would be one more implementation of IoBackend, and the
// tests' FaultyRing, which stands in front of a real one and breaks what passes through.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "snapshotter/io/socket_address.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::io {

/// No request moves more bytes than this at once; longer ones are several.
inline constexpr std::size_t kTransferBytesMax = std::size_t{1} << 30;

/// One thing to ask of the kernel. Borrowed, until the completion: descriptor, buffers, address.
struct IoRequest {
    enum class Kind : std::uint8_t {
        accept,
        connect,
        receive,
        send,
        read,
        write,
        sync_data,
        poll_readable,
        poll_writable,
    };
    Kind kind;
    int fd;
    MutableByteView into = {};          ///< receive, read
    ByteView from = {};                 ///< send, write
    std::uint64_t offset_bytes = 0;     ///< read, write
    const SocketAddress* to = nullptr;  ///< connect
};

/// Whoever waits for a request. Called once per submitted request, on the reactor's thread.
class IoCompletion {
  public:
    /// `result`: bytes moved (may be fewer than asked), the accepted descriptor, the ready events,
    /// or 0; a negative errno on failure, -ECANCELED after a cancel that was in time.
    /// Must not resume a coroutine or destroy the backend; may submit.
    virtual void complete(std::int32_t result) = 0;

  protected:
    ~IoCompletion() = default;
};

/// Thread: the one that called start(), except for wake().
class IoBackend {
  public:
    virtual ~IoBackend() = default;

    /// Called once, on the thread that all further calls come from.
    virtual void start() = 0;
    /// `completion` is called from a later wait(), or from cancel(), never from here. It stays
    /// where it is until then.
    virtual void submit(const IoRequest& request, IoCompletion& completion) = 0;
    /// Asks a submitted request to complete early. It completes in any case, perhaps with success.
    virtual void cancel(IoCompletion& completion) = 0;
    /// Hands out completions; waits for the first until `deadline` (nullopt: does not wait;
    /// kNoDeadline: as long as it takes). May return early with none.
    virtual void wait(std::optional<Deadline> deadline) = 0;
    /// Makes the present or the next wait() return. Threads: any.
    virtual void wake() = 0;
};

}  // namespace lazybuild::io
