// SPDX-License-Identifier: Apache-2.0
#include "keeper/server.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/unix_socket.h"

namespace lazybuild::keeper {
namespace {

constexpr unsigned kSocketMode = 0600;

/// The user at the other end; nullopt when the kernel does not say.
std::optional<uid_t> peer_user(int socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        return std::nullopt;
    }
    return credentials.uid;
}

bool is_trusted(int socket) {
    const std::optional<uid_t> user = peer_user(socket);
    return user && (*user == 0 || *user == ::geteuid());
}

std::vector<int> numbers_of(const std::vector<Fd>& descriptors) {
    std::vector<int> numbers;
    numbers.reserve(descriptors.size());
    for (const Fd& one : descriptors) {
        numbers.push_back(one.get());
    }
    return numbers;
}

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(const std::string& path) {
    CHECK_OK(make_room_for_socket(path, SOCK_SEQPACKET));
    TRY(const sockaddr_un address, unix_socket_address(path));
    Fd listener{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    // The mode first: between bind and listen nobody can connect.
    if (!listener ||
        ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::chmod(path.c_str(), kSocketMode) != 0 || ::listen(listener.get(), kClientsMax) != 0) {
        return fail(errno_error("listen at " + path));
    }
    return std::unique_ptr<Server>{new Server(path, std::move(listener))};
}

Server::Server(std::string path, Fd listener)
    : path_(std::move(path)), listener_(std::move(listener)) {}

Server::~Server() {
    ::unlink(path_.c_str());
}

Result<void> Server::run(int stop) {
    while (true) {
        std::vector<pollfd> waiting{{.fd = stop, .events = POLLIN, .revents = 0},
                                    {.fd = listener_.get(), .events = POLLIN, .revents = 0}};
        for (const Fd& client : clients_) {
            waiting.push_back({.fd = client.get(), .events = POLLIN, .revents = 0});
        }
        if (::poll(waiting.data(), waiting.size(), -1) < 0) {
            if (errno == EINTR) {
                continue;
            }
            return fail(errno_error("poll"));
        }
        if (waiting[0].revents != 0) {
            return {};
        }
        for (std::size_t i = 2; i < waiting.size(); ++i) {
            if (waiting[i].revents != 0 && !serve_client(waiting[i].fd)) {
                std::erase_if(clients_, [&](const Fd& one) { return one.get() == waiting[i].fd; });
            }
        }
        if (waiting[1].revents != 0) {
            accept_client();
        }
    }
}

void Server::accept_client() {
    Fd client{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (!client) {
        return;  // it has gone again
    }
    if (!is_trusted(client.get())) {
        log::warning("refused a client that is not root");
    } else if (clients_.size() == kClientsMax) {
        log::warning("refused a client: too many");
    } else {
        clients_.push_back(std::move(client));
    }
}

/// One question of a client; false when it is to be thrown out.
bool Server::serve_client(int socket) {
    auto question = receive_message(socket);
    if (!question) {
        if (question.error().code == std::errc::resource_unavailable_try_again) {
            return true;
        }
        log::warning("threw a client out", {{"reason", question.error().message}});
        return false;
    }
    if (!*question) {
        return false;
    }
    auto answered = answer(socket, **std::move(question));
    if (!answered) {
        log::warning("threw a client out", {{"reason", answered.error().message}});
    }
    return answered.has_value();
}

Result<void> Server::answer(int socket, Message question) {
    switch (question.kind) {
        case Kind::take: {
            const auto found = kept_.find(question.name);
            if (found == kept_.end()) {
                return send_message(socket, {.kind = Kind::answer, .errno_value = ENOENT});
            }
            log::info("handed over", {{"name", question.name}});
            const std::vector<int> numbers = numbers_of(found->second);
            return send_message(socket, {.kind = Kind::answer, .descriptors = numbers});
        }
        case Kind::put:
            return send_message(socket,
                                {.kind = Kind::answer, .errno_value = put(std::move(question))});
        case Kind::drop:
            if (kept_.erase(question.name) > 0) {
                log::info("dropped", {{"name", question.name}});
            }
            return send_message(socket, {.kind = Kind::answer});
        case Kind::answer: break;
    }
    return fail(corrupt("an answer that nobody asked for"));
}

int Server::put(Message question) {
    if (question.name.empty() || question.descriptors.empty()) {
        return EINVAL;
    }
    if (!kept_.contains(question.name) && kept_.size() == kNamesMax) {
        return ENOSPC;
    }
    log::info("keeping", {{"name", question.name}, {"descriptors", question.descriptors.size()}});
    kept_[question.name] = std::move(question.descriptors);
    return 0;
}

}  // namespace lazybuild::keeper
