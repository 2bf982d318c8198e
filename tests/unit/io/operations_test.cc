// SPDX-License-Identifier: Apache-2.0
// Real sockets, pipes and files.
#include "snapshotter/io/operations.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <vector>

#include "base/file.h"
#include "snapshotter/io/when_all.h"
#include "tests/support/reactor.h"

namespace lazybuild::io {
namespace {

using std::chrono_literals::operator""ms;

struct Listener {
    explicit Listener(int backlog = 16) : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        SocketAddress any = SocketAddress::ip("127.0.0.1", 0).value();
        EXPECT_EQ(::bind(fd.get(), any.get(), any.size_bytes()), 0);
        EXPECT_EQ(::listen(fd.get(), backlog), 0);
        sockaddr_in bound{};
        socklen_t size_bytes = sizeof bound;
        EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &size_bytes), 0);
        port = ntohs(bound.sin_port);
    }
    SocketAddress address() const { return SocketAddress::ip("127.0.0.1", port).value(); }
    Fd fd;
    std::uint16_t port = 0;
};

/// A listener whose queue is full: a further connection gets no answer, neither yes nor no.
struct SilentListener {
    SilentListener() : listener(0) {
        for (int attempt = 0; attempt < 16; ++attempt) {
            Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            const SocketAddress to = listener.address();
            ::connect(socket.get(), to.get(), to.size_bytes());
            pollfd writable{.fd = socket.get(), .events = POLLOUT, .revents = 0};
            const bool answered = ::poll(&writable, 1, 200) == 1;
            filling.push_back(std::move(socket));
            if (!answered) {
                return;
            }
        }
        ADD_FAILURE() << "the listener's queue does not fill";
    }
    Listener listener;
    std::vector<Fd> filling;
};

Bytes pattern(std::size_t size_bytes) {
    Bytes bytes(size_bytes);
    for (std::size_t index = 0; index < size_bytes; ++index) {
        bytes[index] = static_cast<std::byte>(index * 31 + index / 251);
    }
    return bytes;
}

Task<Result<void>> echo_once(Reactor& reactor, int listening_fd) {
    const Fd socket = co_await or_return(co_await accept(reactor, listening_fd));
    Bytes buffer(64 * 1024);
    while (true) {
        const std::size_t size_bytes =
            co_await or_return(co_await recv(reactor, socket.get(), buffer));
        if (size_bytes == 0) {
            co_return {};
        }
        const ByteView got = ByteView(buffer).first(size_bytes);
        co_await or_return(co_await send_all(reactor, socket.get(), got));
    }
}
Task<Result<void>> send_and_end(Reactor& reactor, int fd, const Bytes& bytes) {
    co_await or_return(co_await send_all(reactor, fd, bytes));
    ::shutdown(fd, SHUT_WR);
    co_return {};
}
Task<Result<void>> receive_to_end(Reactor& reactor, int fd, Bytes& received) {
    Bytes buffer(10'000);
    while (true) {
        const std::size_t size_bytes = co_await or_return(co_await recv(reactor, fd, buffer));
        if (size_bytes == 0) {
            co_return {};
        }
        const ByteView got = ByteView(buffer).first(size_bytes);
        received.insert(received.end(), got.begin(), got.end());
    }
}
Task<Result<Bytes>> send_through_echo(Reactor& reactor, SocketAddress address, Bytes bytes) {
    const Fd socket = co_await or_return(co_await connect(reactor, address));
    Bytes received;
    std::vector<Task<Result<void>>> both;
    both.push_back(send_and_end(reactor, socket.get(), bytes));
    both.push_back(receive_to_end(reactor, socket.get(), received));
    std::vector<Result<void>> results = co_await when_all(reactor, std::move(both));
    co_await or_return(std::move(results[0]));
    co_await or_return(std::move(results[1]));
    co_return received;
}
Task<void> ignore(Task<Result<void>> task) {
    const Result<void> result = co_await std::move(task);
    EXPECT_TRUE(result.has_value()) << result.error().message;
}

TEST(Operations, carry_megabytes_over_tcp_both_ways_at_once) {
    const auto reactor = make_reactor();
    const Listener listener;
    const Bytes bytes = pattern(8 * 1024 * 1024);
    reactor->spawn(ignore(echo_once(*reactor, listener.fd.get())));
    const Result<Bytes> echoed =
        reactor->block_on(send_through_echo(*reactor, listener.address(), bytes));
    ASSERT_TRUE(echoed.has_value()) << echoed.error().message;
    EXPECT_EQ(*echoed, bytes);
}
TEST(Connect, to_a_port_where_nobody_listens_is_refused) {
    const auto reactor = make_reactor();
    SocketAddress address = SocketAddress::ip("127.0.0.1", 1).value();
    {
        const Listener gone;
        address = gone.address();
    }
    const Result<Fd> result = reactor->block_on(connect(*reactor, address));
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, std::errc::connection_refused);
    EXPECT_NE(result.error().message.find("connect to 127.0.0.1:"), std::string::npos);
}
TEST(Connect, times_out_when_the_other_end_is_silent) {
    const auto reactor = make_reactor();
    const SilentListener silent;
    const Wait wait{.deadline = deadline_in(20ms)};
    const Result<Fd> result = reactor->block_on(connect(*reactor, silent.listener.address(), wait));
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, std::errc::timed_out);
}
TEST(Recv, times_out_when_the_other_end_is_silent) {
    const auto reactor = make_reactor();
    for (const int flags : {0, SOCK_NONBLOCK + 0}) {
        const SocketPair pair(flags);
        Bytes buffer(16);
        const Wait wait{.deadline = deadline_in(5ms)};
        EXPECT_EQ(reactor->block_on(recv(*reactor, pair.near.get(), buffer, wait)).error().code,
                  std::errc::timed_out);
        // The bytes that come later are for the next request, not for the one that ended.
        EXPECT_EQ(::write(pair.far.get(), "abc", 3), 3);
        EXPECT_EQ(reactor->block_on(recv(*reactor, pair.near.get(), buffer)).value(), 3U);
    }
}
TEST(SendAll, to_a_peer_that_is_gone_is_an_error_and_no_signal) {
    const auto reactor = make_reactor();
    SocketPair pair;
    pair.far.reset();
    const Bytes bytes = pattern(100);
    EXPECT_EQ(reactor->block_on(send_all(*reactor, pair.near.get(), bytes)).error().code,
              std::errc::broken_pipe);
}
TEST(SendAll, times_out_when_nobody_reads) {
    const auto reactor = make_reactor();
    for (const int flags : {0, SOCK_NONBLOCK + 0}) {
        const SocketPair pair(flags);
        const Bytes bytes = pattern(16 * 1024 * 1024);
        const Wait wait{.deadline = deadline_in(5ms)};
        EXPECT_EQ(reactor->block_on(send_all(*reactor, pair.near.get(), bytes, wait)).error().code,
                  std::errc::timed_out);
    }
}

Task<Result<void>> write_and_read_back(Reactor& reactor, int fd, const Bytes& bytes) {
    co_await or_return(co_await write_at(reactor, fd, bytes, 5000));
    co_await or_return(co_await sync_data(reactor, fd));
    Bytes back(bytes.size());
    const std::size_t all = co_await or_return(co_await read_at(reactor, fd, back, 5000));
    EXPECT_EQ(all, bytes.size());
    EXPECT_EQ(back, bytes);
    const std::size_t rest = co_await or_return(co_await read_at(reactor, fd, back, 6000));
    EXPECT_EQ(rest, bytes.size() - 1000);
    const std::size_t none = co_await or_return(co_await read_at(reactor, fd, back, 1 << 30));
    EXPECT_EQ(none, 0U);
    co_return {};
}
TEST(Files, read_back_what_was_written_and_end_where_the_file_ends) {
    const auto reactor = make_reactor();
    const Fd file = open_temporary(testing::TempDir()).value();
    const Result<void> result =
        reactor->block_on(write_and_read_back(*reactor, file.get(), pattern(3'000'000)));
    EXPECT_TRUE(result.has_value()) << result.error().message;
}
TEST(Files, errors_are_those_of_the_kernel) {
    const auto reactor = make_reactor();
    Bytes buffer(10);
    EXPECT_EQ(reactor->block_on(read_at(*reactor, -1, buffer, 0)).error().code,
              std::errc::bad_file_descriptor);
    const Fd full = open_file("/dev/full", O_WRONLY).value();
    EXPECT_EQ(reactor->block_on(write_at(*reactor, full.get(), buffer, 0)).error().code,
              std::errc::no_space_on_device);
}

TEST(Poll, ends_when_bytes_have_come_or_the_other_end_is_gone) {
    const auto reactor = make_reactor();
    SocketPair pair;
    EXPECT_TRUE(reactor->block_on(poll_writable(*reactor, pair.near.get())).has_value());
    EXPECT_EQ(
        reactor
            ->block_on(poll_readable(*reactor, pair.near.get(), Wait{.deadline = deadline_in(1ms)}))
            .error()
            .code,
        std::errc::timed_out);
    EXPECT_EQ(::write(pair.far.get(), "x", 1), 1);
    EXPECT_TRUE(reactor->block_on(poll_readable(*reactor, pair.near.get())).has_value());
    pair.near.reset();
    EXPECT_TRUE(reactor->block_on(poll_readable(*reactor, pair.far.get())).has_value());
}

Task<void> cancel_soon(Reactor& reactor, CancelSource source) {
    const Wait moment{.deadline = deadline_in(2ms)};
    co_await sleep(reactor, moment);
    source.cancel();
}
template <class T>
void expect_cancelled(Reactor& reactor, const CancelSource& source, Task<Result<T>> task) {
    reactor.spawn(cancel_soon(reactor, source));
    const Result<T> result = reactor.block_on(std::move(task));
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, std::errc::operation_canceled) << result.error().message;
}
Fd full_pipe(Fd& read_end) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    read_end = Fd(ends[0]);
    const Bytes block(4096);
    while (::write(ends[1], block.data(), block.size()) > 0) {
    }
    return Fd(ends[1]);
}

TEST(Cancel, ends_accept) {
    const auto reactor = make_reactor();
    const Listener listener;
    CancelSource source;
    const Wait wait{.cancel = source.token()};
    expect_cancelled(*reactor, source, accept(*reactor, listener.fd.get(), wait));
}
TEST(Cancel, ends_connect) {
    const auto reactor = make_reactor();
    const SilentListener silent;
    CancelSource source;
    const Wait wait{.cancel = source.token()};
    expect_cancelled(*reactor, source, connect(*reactor, silent.listener.address(), wait));
}
TEST(Cancel, ends_recv) {
    const auto reactor = make_reactor();
    const SocketPair pair;
    CancelSource source;
    Bytes buffer(16);
    const Wait wait{.cancel = source.token()};
    expect_cancelled(*reactor, source, recv(*reactor, pair.near.get(), buffer, wait));
}
TEST(Cancel, ends_send_all) {
    const auto reactor = make_reactor();
    const SocketPair pair;
    CancelSource source;
    const Bytes bytes(16 * 1024 * 1024);
    const Wait wait{.cancel = source.token()};
    expect_cancelled(*reactor, source, send_all(*reactor, pair.near.get(), bytes, wait));
}
TEST(Cancel, ends_polls) {
    const auto reactor = make_reactor();
    const SocketPair pair;
    CancelSource source;
    const Wait wait{.cancel = source.token()};
    expect_cancelled(*reactor, source, poll_readable(*reactor, pair.near.get(), wait));
    Fd read_end;
    const Fd write_end = full_pipe(read_end);
    CancelSource second;
    const Wait second_wait{.cancel = second.token()};
    expect_cancelled(*reactor, second, poll_writable(*reactor, write_end.get(), second_wait));
}
TEST(Cancel, ends_reads_and_writes_that_wait) {
    const auto reactor = make_reactor();
    Fd read_end;
    const Fd write_end = full_pipe(read_end);
    CancelSource source;
    const Bytes bytes(10);
    const Wait wait{.cancel = source.token()};
    expect_cancelled(*reactor, source, write_at(*reactor, write_end.get(), bytes, 0, wait));
    int ends[2] = {-1, -1};
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);  // one that blocks
    const Fd empty(ends[0]);
    const Fd other(ends[1]);
    CancelSource second;
    Bytes buffer(10);
    const Wait second_wait{.cancel = second.token()};
    expect_cancelled(*reactor, second, read_at(*reactor, empty.get(), buffer, 0, second_wait));
}

}  // namespace
}  // namespace lazybuild::io
