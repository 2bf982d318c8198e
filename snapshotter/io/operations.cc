// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/operations.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "snapshotter/io/io_operation.h"
#include "snapshotter/io/waiter.h"

namespace lazybuild::io {
namespace {

/// Suspends until the deadline; nothing but that, a cancel or a stop ends it.
class Sleep final : public Waiter {
  public:
    Sleep(Reactor& reactor, const Wait& wait) : Waiter(reactor, wait) {}
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> awaiting) { begin(awaiting); }
    int await_resume() const { return early_end(); }

  private:
    void give_up() override { finish(); }
};

Result<Fd> open_socket(int family) {
    Fd socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) {
        return fail(errno_error("socket"));
    }
    if (family == AF_INET || family == AF_INET6) {
        // Requests are written whole; waiting for more to put in a packet only adds a round trip.
        const int on = 1;
        if (::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
            return fail(errno_error("setsockopt TCP_NODELAY"));
        }
    }
    return socket;
}

/// How the connection that was being made turned out: 0 or an errno.
int connection_error(int fd) {
    int error_number = 0;
    socklen_t size_bytes = sizeof error_number;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error_number, &size_bytes) != 0) {
        return errno;
    }
    return error_number;
}

Task<Result<void>> request_once(Reactor& reactor, IoRequest request, const char* what, Wait wait) {
    const int result = co_await IoOperation(reactor, request, wait);
    if (result < 0) {
        co_return fail(wait_error(what, -result));
    }
    co_return {};
}

}  // namespace

Task<Result<Fd>> connect(Reactor& reactor, SocketAddress address, Wait wait) {
    Fd socket = co_await or_return(open_socket(address.family()));
    const IoRequest request{.kind = IoRequest::Kind::connect, .fd = socket.get(), .to = &address};
    int result = co_await IoOperation(reactor, request, wait);
    if (result == -EINPROGRESS || result == -EALREADY) {
        co_await or_return(co_await poll_writable(reactor, socket.get(), wait));
        result = -connection_error(socket.get());
    }
    if (result < 0) {
        co_return fail(wait_error("connect to " + address.to_string(), -result));
    }
    co_return socket;
}

Task<Result<Fd>> accept(Reactor& reactor, int listening_fd, Wait wait) {
    const IoRequest request{.kind = IoRequest::Kind::accept, .fd = listening_fd};
    const int result = co_await IoOperation(reactor, request, wait);
    if (result < 0) {
        co_return fail(wait_error("accept", -result));
    }
    co_return Fd(result);
}

Task<Result<std::size_t>> recv(Reactor& reactor, int fd, MutableByteView out, Wait wait) {
    ASSERT(!out.empty());
    const IoRequest request{.kind = IoRequest::Kind::receive,
                            .fd = fd,
                            .into = out.first(std::min(out.size(), kTransferBytesMax))};
    const int result = co_await IoOperation(reactor, request, wait);
    if (result < 0) {
        co_return fail(wait_error("receive", -result));
    }
    co_return static_cast<std::size_t>(result);
}

Task<Result<void>> send_all(Reactor& reactor, int fd, ByteView bytes, Wait wait) {
    while (!bytes.empty()) {
        const IoRequest request{.kind = IoRequest::Kind::send,
                                .fd = fd,
                                .from = bytes.first(std::min(bytes.size(), kTransferBytesMax))};
        const int result = co_await IoOperation(reactor, request, wait);
        if (result < 0) {
            co_return fail(wait_error("send", -result));
        }
        bytes = bytes.subspan(static_cast<std::size_t>(result));
    }
    co_return {};
}

Task<Result<std::size_t>> read_at(Reactor& reactor, int fd, MutableByteView out,
                                  std::uint64_t offset_bytes, Wait wait) {
    std::size_t done_bytes = 0;
    while (done_bytes < out.size()) {
        const MutableByteView rest = out.subspan(done_bytes);
        const IoRequest request{.kind = IoRequest::Kind::read,
                                .fd = fd,
                                .into = rest.first(std::min(rest.size(), kTransferBytesMax)),
                                .offset_bytes = offset_bytes + done_bytes};
        const int result = co_await IoOperation(reactor, request, wait);
        if (result < 0) {
            co_return fail(wait_error("read", -result));
        }
        if (result == 0) {
            break;
        }
        done_bytes += static_cast<std::size_t>(result);
    }
    co_return done_bytes;
}

Task<Result<void>> write_at(Reactor& reactor, int fd, ByteView bytes, std::uint64_t offset_bytes,
                            Wait wait) {
    std::size_t done_bytes = 0;
    while (done_bytes < bytes.size()) {
        const ByteView rest = bytes.subspan(done_bytes);
        const IoRequest request{.kind = IoRequest::Kind::write,
                                .fd = fd,
                                .from = rest.first(std::min(rest.size(), kTransferBytesMax)),
                                .offset_bytes = offset_bytes + done_bytes};
        const int result = co_await IoOperation(reactor, request, wait);
        if (result <= 0) {
            // No file takes zero bytes of some; a device that does would keep us here for ever.
            co_return fail(wait_error("write", result == 0 ? ENOSPC : -result));
        }
        done_bytes += static_cast<std::size_t>(result);
    }
    co_return {};
}

Task<Result<void>> sync_data(Reactor& reactor, int fd, Wait wait) {
    IoRequest request{.kind = IoRequest::Kind::sync_data, .fd = fd};
    return request_once(reactor, request, "fdatasync", std::move(wait));
}

Task<Result<void>> poll_readable(Reactor& reactor, int fd, Wait wait) {
    IoRequest request{.kind = IoRequest::Kind::poll_readable, .fd = fd};
    return request_once(reactor, request, "poll", std::move(wait));
}

Task<Result<void>> poll_writable(Reactor& reactor, int fd, Wait wait) {
    IoRequest request{.kind = IoRequest::Kind::poll_writable, .fd = fd};
    return request_once(reactor, request, "poll", std::move(wait));
}

Task<Result<void>> sleep(Reactor& reactor, Wait wait) {
    const int end = co_await Sleep(reactor, wait);
    if (end == ECANCELED) {
        co_return fail(wait_error("sleep", end));
    }
    co_return {};
}

}  // namespace lazybuild::io
