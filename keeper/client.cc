// SPDX-License-Identifier: Apache-2.0
#include "keeper/client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "base/unix_socket.h"

namespace lazybuild::keeper {
namespace {

constexpr timeval kPatience{.tv_sec = 5, .tv_usec = 0};

Result<void> set_patience(int socket) {
    for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
        if (::setsockopt(socket, SOL_SOCKET, option, &kPatience, sizeof kPatience) != 0) {
            return fail(errno_error("setsockopt"));
        }
    }
    return {};
}

}  // namespace

Result<Client> Client::connect(const std::string& path) {
    TRY(const sockaddr_un address, unix_socket_address(path));
    Fd socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
    if (!socket) {
        return fail(errno_error("socket"));
    }
    CHECK_OK(set_patience(socket.get()));
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return fail(errno_error("connect to the keeper at " + path));
    }
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
        (peer.uid != 0 && peer.uid != ::geteuid())) {
        return fail(
            Error{std::errc::permission_denied, "the keeper at " + path + " is not root's"});
    }
    return Client{std::move(socket)};
}

Result<Message> Client::ask(const Outgoing& question) {
    CHECK_OK(send_message(socket_.get(), question));
    TRY(std::optional<Message> answer, receive_message(socket_.get()));
    if (!answer) {
        return fail(Error{std::errc::connection_reset, "the keeper has gone"});
    }
    if (answer->kind != Kind::answer || answer->errno_value < 0) {
        return fail(corrupt("the keeper's answer makes no sense"));
    }
    return *std::move(answer);
}

Result<std::vector<Fd>> Client::take(std::string_view name) {
    TRY(Message answer, ask({.kind = Kind::take, .name = name}));
    if (answer.errno_value == ENOENT) {
        return std::vector<Fd>{};
    }
    if (answer.errno_value != 0) {
        return fail(errno_error("take from the keeper", answer.errno_value));
    }
    return std::move(answer).descriptors;
}

Result<void> Client::put(std::string_view name, std::span<const int> descriptors) {
    TRY(const Message answer, ask({.kind = Kind::put, .name = name, .descriptors = descriptors}));
    if (answer.errno_value != 0) {
        return fail(errno_error("give to the keeper", answer.errno_value));
    }
    return {};
}

Result<void> Client::drop(std::string_view name) {
    TRY(const Message answer, ask({.kind = Kind::drop, .name = name}));
    if (answer.errno_value != 0) {
        return fail(errno_error("drop at the keeper", answer.errno_value));
    }
    return {};
}

bool Client::is_connected() const {
    // The keeper says nothing unasked, so anything to be read is the end.
    pollfd waiting{.fd = socket_.get(), .events = POLLIN | POLLRDHUP, .revents = 0};
    return ::poll(&waiting, 1, 0) == 0;
}

}  // namespace lazybuild::keeper
