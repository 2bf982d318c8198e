// SPDX-License-Identifier: Apache-2.0
#include "base/unix_socket.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "base/file.h"

namespace lazybuild {
namespace {

constexpr unsigned kDirectoryMode = 0711;

/// True when a process accepts connections at `address`.
Result<bool> somebody_answers(const sockaddr_un& address, int type) {
    const Fd socket{::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket) {
        return fail(errno_error("socket"));
    }
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
        errno == EAGAIN) {
        return true;
    }
    if (errno == ECONNREFUSED || errno == ENOENT) {
        return false;
    }
    return fail(errno_error(std::string("connect to ") + address.sun_path));
}

}  // namespace

Result<sockaddr_un> unix_socket_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (!path.starts_with('/') || path.ends_with('/') || path.size() >= sizeof address.sun_path) {
        return fail(
            invalid(fmt::format("the address must be the absolute path of a socket, at "
                                "most {} bytes long, not {:?}",
                                sizeof address.sun_path - 1, path)));
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

Result<void> make_room_for_socket(const std::string& path, int type) {
    TRY(const sockaddr_un address, unix_socket_address(path));
    const std::size_t slash = path.rfind('/');
    if (slash > 0) {
        CHECK_OK(make_directories(path.substr(0, slash), kDirectoryMode));
    }
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) {
        return errno == ENOENT ? Result<void>{} : fail(errno_error("stat " + path));
    }
    if (!S_ISSOCK(status.st_mode)) {
        return fail(Error{std::errc::address_in_use, path + " exists and is no socket"});
    }
    TRY(const bool answered, somebody_answers(address, type));
    if (answered) {
        return fail(
            Error{std::errc::address_in_use, path + ": another process is listening there"});
    }
    if (::unlink(path.c_str()) != 0) {
        return fail(errno_error("unlink " + path));
    }
    return {};
}

}  // namespace lazybuild
