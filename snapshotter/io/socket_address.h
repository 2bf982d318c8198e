// SPDX-License-Identifier: Apache-2.0
// Where a socket connects to: an address of any family, as a value.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lazybuild::io {

class SocketAddress {
  public:
    /// Copies what getaddrinfo(3) and the like give. Errors: invalid_argument (larger than any).
    static Result<SocketAddress> from(const sockaddr* address, socklen_t size_bytes);
    /// "127.0.0.1" or "::1", no names. Errors: invalid_argument.
    static Result<SocketAddress> ip(std::string_view text, std::uint16_t port);

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
    socklen_t size_bytes() const { return size_bytes_; }
    int family() const { return storage_.ss_family; }
    /// For messages: "127.0.0.1:443", "[::1]:443", or the family's number.
    std::string to_string() const;

  private:
    SocketAddress() = default;
    sockaddr_storage storage_{};
    socklen_t size_bytes_ = 0;
};

}  // namespace lazybuild::io
