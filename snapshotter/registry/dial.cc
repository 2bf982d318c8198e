// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/dial.h"

#include <fmt/format.h>
#include <netdb.h>

#include <utility>

#include "snapshotter/io/operations.h"
#include "snapshotter/io/shared.h"

namespace lazybuild::registry {
namespace {

using Addresses = std::vector<io::SocketAddress>;

Error resolve_error(const std::string& host, int status) {
    if (status == EAI_SYSTEM) {
        return errno_error("resolve " + host);
    }
    const bool is_passing = status == EAI_AGAIN || status == EAI_MEMORY;
    return Error{
        is_passing ? std::errc::resource_unavailable_try_again : std::errc::address_not_available,
        fmt::format("resolve {}: {}", host, gai_strerror(status))};
}

// Blocks for as long as the system's resolver likes.
Result<Addresses> look_up(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int status = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (status != 0) {
        return fail(resolve_error(host, status));
    }
    Addresses addresses;
    for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
        auto address = io::SocketAddress::from(info->ai_addr, info->ai_addrlen);
        if (address && addresses.size() < kAddressesMax) {
            addresses.push_back(*address);
        }
    }
    freeaddrinfo(found);
    if (addresses.empty()) {
        return fail(resolve_error(host, EAI_NONAME));
    }
    return addresses;
}

io::Task<Result<std::unique_ptr<Stream>>> dial_address(io::Reactor& reactor,
                                                       io::SocketAddress address, std::string host,
                                                       std::shared_ptr<const TlsContext> tls,
                                                       io::Wait wait) {
    Fd socket = co_await io::or_return(co_await io::connect(reactor, address, wait));
    if (tls) {
        co_return co_await connect_tls(reactor, std::move(socket), std::move(tls), std::move(host),
                                       std::move(wait));
    }
    std::unique_ptr<Stream> stream = std::make_unique<PlainStream>(reactor, std::move(socket));
    co_return stream;
}

}  // namespace

io::Task<Result<Addresses>> resolve(io::Reactor& reactor, io::Pool& pool, std::string host,
                                    std::uint16_t port, io::Wait wait) {
    if (auto literal = io::SocketAddress::ip(host, port)) {
        Addresses one{*literal};
        co_return one;
    }
    // The job owns what it needs, so that a wait that ends early can leave it behind.
    auto job = [host, port] { return look_up(host, port); };
    auto lookup = io::Shared<Addresses>::start(reactor, io::run_on(pool, reactor, std::move(job)));
    Result<Addresses> addresses = co_await lookup.result(std::move(wait));
    if (!addresses && addresses.error().code == std::errc::timed_out) {
        co_return fail(Error{std::errc::timed_out, fmt::format("resolve {}: no answer", host)});
    }
    co_return addresses;
}

io::Task<Result<std::unique_ptr<Stream>>> dial(io::Reactor& reactor, io::Pool& pool, Origin origin,
                                               std::shared_ptr<const TlsContext> tls,
                                               std::chrono::milliseconds timeout, io::Wait wait) {
    const Addresses addresses = co_await io::or_return(
        co_await resolve(reactor, pool, origin.host, origin.port, at_most(wait, timeout)));
    Error last;
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        // An address that does not answer (IPv6 without a route, mostly) must not use up the time
        // of the ones after it.
        const bool is_last = i + 1 == addresses.size();
        const io::Wait one_wait = at_most(wait, is_last ? timeout : timeout / 4);
        Result<std::unique_ptr<Stream>> stream =
            co_await dial_address(reactor, addresses[i], origin.host, tls, one_wait);
        if (stream) {
            co_return stream;
        }
        last = std::move(stream).error().context(addresses[i].to_string());
        const bool is_over =
            last.code == std::errc::operation_canceled || io::Clock::now() >= wait.deadline;
        if (is_over) {
            break;
        }
    }
    co_return fail(std::move(last));
}

}  // namespace lazybuild::registry
