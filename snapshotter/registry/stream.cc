// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/stream.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "snapshotter/io/operations.h"

namespace lazybuild::registry {

io::Task<Result<std::size_t>> PlainStream::read(MutableByteView out, io::Wait wait) {
    return io::recv(reactor_, socket_.get(), out, std::move(wait));
}

io::Task<Result<void>> PlainStream::write(ByteView bytes, io::Wait wait) {
    return io::send_all(reactor_, socket_.get(), bytes, std::move(wait));
}

bool PlainStream::is_quiet() const {
    return socket_is_quiet(socket_.get());
}

bool socket_is_quiet(int fd) {
    char byte = 0;
    const ssize_t size = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

io::Wait at_most(io::Wait wait, io::Clock::duration limit) {
    wait.deadline = std::min(wait.deadline, io::deadline_in(limit));
    return wait;
}

}  // namespace lazybuild::registry
