// SPDX-License-Identifier: Apache-2.0
#include "base/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/fd.h"

namespace lazybuild {

Result<void> notify_service_manager(std::string_view state) {
    const char* path = std::getenv("NOTIFY_SOCKET");
    if (path == nullptr || *path == '\0') {
        return {};
    }
    const std::string_view address{path};
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if ((address[0] != '/' && address[0] != '@') || address.size() >= sizeof name.sun_path) {
        return fail(
            invalid("NOTIFY_SOCKET is not the address of a Unix socket: " + std::string{address}));
    }
    std::memcpy(name.sun_path, address.data(), address.size());
    if (address[0] == '@') {
        name.sun_path[0] = '\0';  // an abstract socket, whose name is as long as it is
    }
    const Fd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    if (!socket) {
        return fail(errno_error("socket"));
    }
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
    if (::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&name), size) < 0) {
        return fail(errno_error("notify " + std::string{address}));
    }
    return {};
}

}  // namespace lazybuild
