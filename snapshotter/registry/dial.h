// SPDX-License-Identifier: Apache-2.0
// From an origin to a connected stream: names to addresses, TCP, TLS.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "snapshotter/io/pool.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/socket_address.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/registry/stream.h"
#include "snapshotter/registry/tls.h"
#include "snapshotter/registry/url.h"

namespace lazybuild::registry {

/// Addresses beyond this many of one name are not tried.
inline constexpr std::size_t kAddressesMax = 16;

/// The addresses of `host`, in the order of RFC 6724 as getaddrinfo(3) gives it. Literal addresses
/// ask nobody. The look-up itself runs on the pool and is left behind when `wait` ends.
/// Errors: address_not_available (no such name), resource_unavailable_try_again (no answer now).
io::Task<Result<std::vector<io::SocketAddress>>> resolve(io::Reactor& reactor, io::Pool& pool,
                                                         std::string host, std::uint16_t port,
                                                         io::Wait wait);

/// Tries the addresses of `origin` in order, each for at most `timeout`, TLS included when `tls`
/// is not null. Errors: those of the last address, naming it.
io::Task<Result<std::unique_ptr<Stream>>> dial(io::Reactor& reactor, io::Pool& pool, Origin origin,
                                               std::shared_ptr<const TlsContext> tls,
                                               std::chrono::milliseconds timeout, io::Wait wait);

}  // namespace lazybuild::registry
