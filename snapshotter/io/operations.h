// SPDX-License-Identifier: Apache-2.0
// What a coroutine can ask of the kernel without blocking the reactor: sockets, files, time.
//
// All of them: on the reactor's thread. Descriptors and buffers are borrowed and must stay until
// the task ends (wait.h says why they do when the task is awaited). Errors: errno as std::errc,
// with timed_out and operation_canceled as in wait.h; the message names the operation, not the
// peer. Short transfers, EINTR and EAGAIN are dealt with, on blocking and non-blocking descriptors
// alike.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/socket_address.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::io {

/// A new non-blocking stream socket (close-on-exec, TCP_NODELAY for TCP), connected to `address`.
Task<Result<Fd>> connect(Reactor& reactor, SocketAddress address, Wait wait = {});

/// The next connection of a listening socket (close-on-exec).
Task<Result<Fd>> accept(Reactor& reactor, int listening_fd, Wait wait = {});

/// Some bytes into a prefix of `out` (not empty): how many; 0 when the peer has ended.
Task<Result<std::size_t>> recv(Reactor& reactor, int fd, MutableByteView out, Wait wait = {});

/// All of `bytes`. A peer that is gone is broken_pipe or connection_reset, never a signal. After an
/// error nobody knows how many bytes went.
Task<Result<void>> send_all(Reactor& reactor, int fd, ByteView bytes, Wait wait = {});

/// Fills `out` from `offset_bytes` of a file; fewer bytes than asked for only at its end.
Task<Result<std::size_t>> read_at(Reactor& reactor, int fd, MutableByteView out,
                                  std::uint64_t offset_bytes, Wait wait = {});

/// Writes all of `bytes` at `offset_bytes` of a file.
Task<Result<void>> write_at(Reactor& reactor, int fd, ByteView bytes, std::uint64_t offset_bytes,
                            Wait wait = {});

/// fdatasync(2).
Task<Result<void>> sync_data(Reactor& reactor, int fd, Wait wait = {});

/// Until `fd` can be read, or has ended or failed.
Task<Result<void>> poll_readable(Reactor& reactor, int fd, Wait wait = {});
/// Until `fd` can be written, or has ended or failed.
Task<Result<void>> poll_writable(Reactor& reactor, int fd, Wait wait = {});

/// Until wait.deadline, which is success here. Errors: operation_canceled.
Task<Result<void>> sleep(Reactor& reactor, Wait wait);

}  // namespace lazybuild::io
