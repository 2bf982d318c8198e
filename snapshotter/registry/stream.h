// SPDX-License-Identifier: Apache-2.0
// A connected byte stream, plain or TLS, that HTTP is spoken over.
#pragma once

#include <cstddef>
#include <utility>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"

namespace lazybuild::registry {

/// One read or write at a time. Buffers outlive the task. Thread: the reactor's.
class Stream {
  public:
    virtual ~Stream() = default;
    /// Fills a prefix of `out` (not empty) and returns its length; 0 when the peer has ended.
    virtual io::Task<Result<std::size_t>> read(MutableByteView out, io::Wait wait) = 0;
    /// Sends all of `bytes`.
    virtual io::Task<Result<void>> write(ByteView bytes, io::Wait wait) = 0;
    /// While nothing is expected: whether the peer has neither ended nor sent anything. A look at
    /// the socket, without waiting.
    virtual bool is_quiet() const = 0;
};

class PlainStream final : public Stream {
  public:
    PlainStream(io::Reactor& reactor, Fd socket) : reactor_(reactor), socket_(std::move(socket)) {}
    io::Task<Result<std::size_t>> read(MutableByteView out, io::Wait wait) override;
    io::Task<Result<void>> write(ByteView bytes, io::Wait wait) override;
    bool is_quiet() const override;

  private:
    io::Reactor& reactor_;
    Fd socket_;
};

/// is_quiet() for any connected socket.
bool socket_is_quiet(int fd);

/// `wait`, or `limit` from now if that is sooner.
io::Wait at_most(io::Wait wait, io::Clock::duration limit);

}  // namespace lazybuild::registry
