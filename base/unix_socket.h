// SPDX-License-Identifier: Apache-2.0
// Places for Unix sockets: their addresses, and how a server that starts anew takes its old one.
#pragma once

#include <sys/un.h>

#include <string>

#include "base/result.h"

namespace lazybuild {

/// `path` as an address. Errors: invalid_argument unless it is absolute and short enough.
Result<sockaddr_un> unix_socket_address(const std::string& path);

/// Makes the directory of `path` (0711) when it is missing, and takes away a socket of `type`
/// (SOCK_STREAM, SOCK_SEQPACKET) that nobody listens at.
/// Errors: address_in_use when somebody does, or when something else than a socket is there.
Result<void> make_room_for_socket(const std::string& path, int type);

}  // namespace lazybuild
