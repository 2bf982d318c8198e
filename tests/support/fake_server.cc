// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fake_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "base/assert.h"

namespace lazybuild::test {
namespace {

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

// The head in `text`, which ends with its empty line.
FakeRequest parse_head(std::string_view text) {
    FakeRequest request;
    const std::size_t line_end = text.find("\r\n");
    const std::string_view line = text.substr(0, line_end);
    const std::size_t space = line.find(' ');
    request.method = line.substr(0, space);
    request.target = line.substr(space + 1, line.rfind(' ') - space - 1);
    text.remove_prefix(line_end + 2);
    while (!text.starts_with("\r\n")) {
        const std::size_t end = text.find("\r\n");
        const std::size_t colon = text.find(": ");
        request.fields[lower(std::string(text.substr(0, colon)))] =
            text.substr(colon + 2, end - colon - 2);
        text.remove_prefix(end + 2);
    }
    return request;
}

// Reads one request; nullopt when the peer has gone.
std::optional<FakeRequest> read_request(int socket, std::string& buffer) {
    std::array<char, 65536> piece;
    const auto receive = [&] {
        const ssize_t size = ::recv(socket, piece.data(), piece.size(), 0);
        buffer.append(piece.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        return size > 0;
    };
    while (buffer.find("\r\n\r\n") == std::string::npos) {
        if (!receive()) {
            return std::nullopt;
        }
    }
    const std::size_t head_size = buffer.find("\r\n\r\n") + 4;
    FakeRequest request = parse_head(std::string_view(buffer).substr(0, head_size));
    buffer.erase(0, head_size);
    const std::string length = request.field("content-length");
    const std::size_t body_size = length.empty() ? 0 : std::stoul(length);
    while (buffer.size() < body_size) {
        if (!receive()) {
            return std::nullopt;
        }
    }
    request.body = buffer.substr(0, body_size);
    buffer.erase(0, body_size);
    return request;
}

bool send_all(int socket, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t size = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (size <= 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
}

void wait_for_end(int socket) {
    char byte = 0;
    while (::recv(socket, &byte, 1, 0) > 0) {
    }
}

}  // namespace

FakeReply reply(int status, std::string_view body, std::string_view fields) {
    return {.bytes = fmt::format("HTTP/1.1 {} Scripted\r\nContent-Length: {}\r\n{}\r\n{}", status,
                                 body.size(), fields, body)};
}

FakeServer::FakeServer(Handler handler)
    : handler_(std::move(handler)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    ASSERT(::bind(listener_.get(), raw, size) == 0 && ::listen(listener_.get(), 64) == 0);
    ASSERT(::getsockname(listener_.get(), raw, &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_connections(); });
}

FakeServer::~FakeServer() {
    stopping_ = true;
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    {
        const std::lock_guard lock(mutex_);
        for (const Fd& socket : sockets_) {
            ::shutdown(socket.get(), SHUT_RDWR);
        }
    }
    for (std::thread& thread : threads_) {
        thread.join();
    }
}

std::vector<FakeRequest> FakeServer::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

std::size_t FakeServer::connections() const {
    const std::lock_guard lock(mutex_);
    return sockets_.size();
}

void FakeServer::accept_connections() {
    while (!stopping_) {
        Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!socket) {
            continue;
        }
        const std::lock_guard lock(mutex_);
        const int number = socket.get();
        const std::size_t index = sockets_.size();
        sockets_.push_back(std::move(socket));
        threads_.emplace_back([this, number, index] { serve(number, index); });
    }
}

void FakeServer::serve(int socket, std::size_t number) {
    std::string buffer;
    while (!stopping_) {
        std::optional<FakeRequest> request = read_request(socket, buffer);
        if (!request) {
            break;
        }
        request->connection = number;
        FakeReply made;
        {
            const std::lock_guard lock(mutex_);
            requests_.push_back(*request);
            made = handler_(*request);
        }
        if (!answer(socket, made)) {
            break;
        }
    }
    // The descriptor stays open until the server goes, so that its number is not reused meanwhile.
    ::shutdown(socket, SHUT_RDWR);
}

// False when the connection is to end.
bool FakeServer::answer(int socket, const FakeReply& reply) {
    if (reply.drip.count() == 0) {
        if (!send_all(socket, reply.bytes)) {
            return false;
        }
    } else {
        for (const char byte : reply.bytes) {
            if (stopping_ || !send_all(socket, {&byte, 1})) {
                return false;
            }
            std::this_thread::sleep_for(reply.drip);
        }
    }
    ++answers_;
    if (reply.hang) {
        wait_for_end(socket);
        return false;
    }
    return !reply.close;
}

}  // namespace lazybuild::test
