// SPDX-License-Identifier: Apache-2.0
// What operations make of a backend that misbehaves as kernels do.
#include "snapshotter/io/io_operation.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/file.h"
#include "snapshotter/io/operations.h"
#include "snapshotter/io/uring_backend.h"
#include "snapshotter/io/when_all.h"
#include "tests/support/faulty_ring.h"
#include "tests/support/reactor.h"

namespace lazybuild::io {
namespace {

using std::chrono_literals::operator""ms;
using Kind = IoRequest::Kind;
using Effect = FaultyRing::Effect;

class Faults : public testing::Test {
  protected:
    Faults() {
        make_reactor();  // skips the program where io_uring is forbidden
        auto ring = std::make_unique<FaultyRing>(create_uring_backend().value());
        faults = ring.get();
        reactor = make_reactor(ReactorOptions{.backend = std::move(ring)});
    }
    FaultyRing* faults = nullptr;
    std::unique_ptr<Reactor> reactor;
    SocketPair pair;
};

Bytes numbers(std::size_t size_bytes) {
    Bytes bytes(size_bytes);
    for (std::size_t index = 0; index < size_bytes; ++index) {
        bytes[index] = static_cast<std::byte>(index * 7 + index / 253);
    }
    return bytes;
}

TEST_F(Faults, interrupted_requests_are_asked_again) {
    faults->add({.kind = Kind::receive, .error_number = EINTR});
    faults->add({.kind = Kind::receive, .error_number = EINTR});
    EXPECT_EQ(::write(pair.far.get(), "abc", 3), 3);
    Bytes buffer(10);
    EXPECT_EQ(reactor->block_on(recv(*reactor, pair.near.get(), buffer)).value(), 3U);
    EXPECT_EQ(faults->requests(Kind::receive), 3U);
}
TEST_F(Faults, requests_that_find_nothing_ready_poll_and_are_asked_again) {
    faults->add({.kind = Kind::receive, .error_number = EAGAIN});
    EXPECT_EQ(::write(pair.far.get(), "abc", 3), 3);
    Bytes buffer(10);
    EXPECT_EQ(reactor->block_on(recv(*reactor, pair.near.get(), buffer)).value(), 3U);
    EXPECT_EQ(faults->requests(Kind::poll_readable), 1U);
}
TEST_F(Faults, a_deadline_ends_the_poll_of_a_request_that_found_nothing_ready) {
    faults->add({.kind = Kind::receive, .error_number = EAGAIN});
    Bytes buffer(10);
    const Wait wait{.deadline = deadline_in(5ms)};
    EXPECT_EQ(reactor->block_on(recv(*reactor, pair.near.get(), buffer, wait)).error().code,
              std::errc::timed_out);
    EXPECT_EQ(faults->requests(Kind::poll_readable), 1U);
}
TEST_F(Faults, an_interrupted_poll_leads_back_to_the_request) {
    faults->add({.kind = Kind::receive, .error_number = EAGAIN});
    faults->add({.kind = Kind::poll_readable, .error_number = EINTR});
    EXPECT_EQ(::write(pair.far.get(), "abc", 3), 3);
    Bytes buffer(10);
    EXPECT_EQ(reactor->block_on(recv(*reactor, pair.near.get(), buffer)).value(), 3U);
}
TEST_F(Faults, a_failed_poll_is_the_error_of_the_request) {
    faults->add({.kind = Kind::receive, .error_number = EAGAIN});
    faults->add({.kind = Kind::poll_readable, .error_number = ENOMEM});
    Bytes buffer(10);
    EXPECT_EQ(reactor->block_on(recv(*reactor, pair.near.get(), buffer)).error().code,
              std::errc::not_enough_memory);
}

Task<Result<Bytes>> write_then_read(Reactor& reactor, int fd, Bytes bytes) {
    co_await or_return(co_await write_at(reactor, fd, bytes, 0));
    Bytes back(bytes.size() + 10);
    const std::size_t size_bytes = co_await or_return(co_await read_at(reactor, fd, back, 0));
    back.resize(size_bytes);
    co_return back;
}
TEST_F(Faults, short_transfers_are_continued_where_they_ended) {
    const Fd file = open_temporary(testing::TempDir()).value();
    for (int count = 0; count < 20; ++count) {
        faults->add({.kind = Kind::write, .effect = Effect::shorten, .bytes_max = 13});
        faults->add({.kind = Kind::read, .effect = Effect::shorten, .bytes_max = 17});
    }
    const Bytes bytes = numbers(5000);
    EXPECT_EQ(reactor->block_on(write_then_read(*reactor, file.get(), bytes)).value(), bytes);
    EXPECT_EQ(faults->requests(Kind::write), 21U);
    EXPECT_EQ(faults->requests(Kind::read), 22U);
}
TEST_F(Faults, disk_errors_arrive_in_the_middle_of_a_transfer) {
    const Fd file = open_temporary(testing::TempDir()).value();
    faults->add({.kind = Kind::write, .effect = Effect::shorten, .bytes_max = 100});
    faults->add({.kind = Kind::write, .error_number = EIO});
    const Result<Bytes> result =
        reactor->block_on(write_then_read(*reactor, file.get(), numbers(5000)));
    EXPECT_EQ(result.error().code, std::errc::io_error);
    EXPECT_EQ(result.error().message, "write: Input/output error");
}
TEST_F(Faults, a_write_that_takes_nothing_is_no_endless_loop) {
    const Fd file = open_temporary(testing::TempDir()).value();
    faults->add({.kind = Kind::write, .effect = Effect::shorten, .bytes_max = 0});
    EXPECT_EQ(reactor->block_on(write_then_read(*reactor, file.get(), numbers(10))).error().code,
              std::errc::no_space_on_device);
}
TEST_F(Faults, a_cancellation_that_nobody_asked_for_is_an_error_like_others) {
    faults->add({.kind = Kind::receive, .error_number = ECANCELED});
    Bytes buffer(10);
    EXPECT_EQ(reactor->block_on(recv(*reactor, pair.near.get(), buffer)).error().code,
              std::errc::operation_canceled);
}
TEST_F(Faults, connect_that_is_in_progress_is_polled_to_its_end) {
    Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    SocketAddress address = SocketAddress::ip("127.0.0.1", 0).value();
    ASSERT_EQ(::bind(listener.get(), address.get(), address.size_bytes()), 0);
    sockaddr_storage bound{};
    socklen_t size_bytes = sizeof bound;
    ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&bound), &size_bytes), 0);
    address = SocketAddress::from(reinterpret_cast<sockaddr*>(&bound), size_bytes).value();
    // As old kernels answer. The socket never was connected, so polling finds it hung up, not
    // failed; what matters is that the answer comes from the socket and not from the request.
    faults->add({.kind = Kind::connect, .error_number = EINPROGRESS});
    EXPECT_TRUE(reactor->block_on(connect(*reactor, address)).has_value());
    EXPECT_EQ(faults->requests(Kind::poll_writable), 1U);
    EXPECT_EQ(reactor->block_on(connect(*reactor, address)).error().code,
              std::errc::connection_refused);  // nobody listens
}

Task<Result<void>> receive_and_note(Reactor& reactor, int fd, int name, std::vector<int>& log) {
    Bytes buffer(1);
    co_await or_return(co_await recv(reactor, fd, buffer));
    log.push_back(name);
    co_return {};
}
Task<Result<void>> release_soon(Reactor& reactor, FaultyRing& faults) {
    const Wait moment{.deadline = deadline_in(2ms)};
    co_await or_return(co_await sleep(reactor, moment));
    EXPECT_EQ(faults.held(), 3U);
    faults.release_held();
    co_return {};
}
TEST_F(Faults, requests_may_complete_in_any_order) {
    EXPECT_EQ(::write(pair.far.get(), "abc", 3), 3);
    std::vector<int> log;
    std::vector<Task<Result<void>>> tasks;
    for (int name = 1; name <= 3; ++name) {
        faults->add({.kind = Kind::receive, .effect = Effect::hold});
        tasks.push_back(receive_and_note(*reactor, pair.near.get(), name, log));
    }
    tasks.push_back(release_soon(*reactor, *faults));
    for (const Result<void>& result : reactor->block_on(when_all(*reactor, std::move(tasks)))) {
        EXPECT_TRUE(result.has_value());
    }
    EXPECT_EQ(log, (std::vector<int>{3, 2, 1}));
}
TEST_F(Faults, a_deadline_ends_every_kind_of_request) {
    const Fd file = open_temporary(testing::TempDir()).value();
    for (const Kind kind : {Kind::read, Kind::write, Kind::sync_data}) {
        faults->add({.kind = kind, .effect = Effect::hold});
    }
    Bytes buffer(10);
    const auto soon = [] { return Wait{.deadline = deadline_in(2ms)}; };
    EXPECT_EQ(reactor->block_on(read_at(*reactor, file.get(), buffer, 0, soon())).error().code,
              std::errc::timed_out);
    EXPECT_EQ(reactor->block_on(write_at(*reactor, file.get(), buffer, 0, soon())).error().code,
              std::errc::timed_out);
    const Result<void> synced = reactor->block_on(sync_data(*reactor, file.get(), soon()));
    EXPECT_EQ(synced.error().message, "fdatasync: timed out");
    EXPECT_EQ(faults->held(), 0U);
}

Task<Result<void>> send_and_shut(Reactor& reactor, int fd, const Bytes& bytes) {
    co_await or_return(co_await send_all(reactor, fd, bytes));
    ::shutdown(fd, SHUT_WR);
    co_return {};
}
Task<Result<void>> receive_all(Reactor& reactor, int fd, Bytes& received) {
    Bytes buffer(3000);
    while (true) {
        const std::size_t size_bytes = co_await or_return(co_await recv(reactor, fd, buffer));
        if (size_bytes == 0) {
            co_return {};
        }
        const ByteView got = ByteView(buffer).first(size_bytes);
        received.insert(received.end(), got.begin(), got.end());
    }
}
TEST_F(Faults, nothing_is_lost_or_doubled_whatever_goes_wrong) {
    const Bytes bytes = numbers(200'000);
    for (std::uint32_t seed = 1; seed <= 20; ++seed) {
        faults->break_at_random(seed);
        SocketPair sockets(SOCK_NONBLOCK);
        Bytes received;
        std::vector<Task<Result<void>>> both;
        both.push_back(send_and_shut(*reactor, sockets.near.get(), bytes));
        both.push_back(receive_all(*reactor, sockets.far.get(), received));
        const std::vector<Result<void>> results =
            reactor->block_on(when_all(*reactor, std::move(both)));
        EXPECT_TRUE(results[0].has_value() && results[1].has_value());
        EXPECT_EQ(received, bytes) << "seed " << seed;
    }
}

}  // namespace
}  // namespace lazybuild::io
