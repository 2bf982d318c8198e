// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/io/socket_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <cstring>

namespace lazybuild::io {
namespace {

template <class Address>
Address read_as(const sockaddr_storage& storage) {
    Address address;
    static_assert(sizeof address <= sizeof storage);
    std::memcpy(&address, &storage, sizeof address);
    return address;
}

}  // namespace

Result<SocketAddress> SocketAddress::from(const sockaddr* address, socklen_t size_bytes) {
    if (size_bytes < sizeof(sa_family_t) || size_bytes > sizeof(sockaddr_storage)) {
        return fail(invalid(fmt::format("a socket address of {} bytes", size_bytes)));
    }
    SocketAddress result;
    std::memcpy(&result.storage_, address, size_bytes);
    result.size_bytes_ = size_bytes;
    return result;
}

Result<SocketAddress> SocketAddress::ip(std::string_view text, std::uint16_t port) {
    const std::string terminated{text};
    sockaddr_in v4{};
    if (::inet_pton(AF_INET, terminated.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        return from(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
    }
    sockaddr_in6 v6{};
    if (::inet_pton(AF_INET6, terminated.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        return from(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
    }
    return fail(invalid(fmt::format("\"{}\" is no IP address", terminated)));
}

std::string SocketAddress::to_string() const {
    char text[INET6_ADDRSTRLEN] = {};
    if (family() == AF_INET && size_bytes_ >= sizeof(sockaddr_in)) {
        const auto v4 = read_as<sockaddr_in>(storage_);
        ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        return fmt::format("{}:{}", text, ntohs(v4.sin_port));
    }
    if (family() == AF_INET6 && size_bytes_ >= sizeof(sockaddr_in6)) {
        const auto v6 = read_as<sockaddr_in6>(storage_);
        ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        return fmt::format("[{}]:{}", text, ntohs(v6.sin6_port));
    }
    return fmt::format("address family {}", family());
}

}  // namespace lazybuild::io
