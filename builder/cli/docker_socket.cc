// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/docker_socket.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/unix_socket.h"
#include "codec/json.h"
#include "snapshotter/registry/http_message.h"

namespace lazybuild::cli {
namespace {

constexpr std::size_t kPieceBytes = 256 << 10;
constexpr std::size_t kAnswerBytesMax = 4 << 20;
constexpr std::chrono::milliseconds kPause{100};
constexpr int kStatusOk = 200;

// One connection, for one request.
class Exchange final : public ByteSink {
  public:
    static Result<Exchange> connect(const std::string& path, const image::Session& session);

    Result<void> send(ByteView bytes);
    /// A chunk of a request's body.
    Result<void> write(ByteView bytes) override;

    struct Answer {
        int status = 0;
        std::string body;
    };
    Result<Answer> receive();

  private:
    Exchange(Fd socket, const image::Session& session)
        : socket_(std::move(socket)), session_(&session) {}
    Result<void> wait_for(short events);
    Result<std::size_t> read_some(MutableByteView out);

    Fd socket_;
    const image::Session* session_;
};

Result<Exchange> Exchange::connect(const std::string& path, const image::Session& session) {
    TRY(const sockaddr_un address, unix_socket_address(path));
    Fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket) {
        return fail(errno_error("socket"));
    }
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return fail(errno_error(path));
    }
    return Exchange{std::move(socket), session};
}

Result<void> Exchange::wait_for(short events) {
    const auto end = std::chrono::steady_clock::now() + kDockerSilence;
    while (std::chrono::steady_clock::now() < end) {
        CHECK_OK(session_->check_interrupt());
        pollfd poll{.fd = socket_.get(), .events = events, .revents = 0};
        const int ready = ::poll(&poll, 1, static_cast<int>(kPause.count()));
        if (ready > 0) {
            return {};
        }
        if (ready < 0 && errno != EINTR) {
            return fail(errno_error("poll"));
        }
    }
    return fail(Error{.code = std::errc::timed_out, .message = "docker has stopped to answer"});
}

Result<void> Exchange::send(ByteView bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent > 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            CHECK_OK(wait_for(POLLOUT));
        } else if (errno != EINTR) {
            return fail(errno_error("send to docker"));
        }
    }
    return {};
}

Result<void> Exchange::write(ByteView bytes) {
    while (!bytes.empty()) {
        const ByteView piece = bytes.first(std::min(bytes.size(), kPieceBytes));
        CHECK_OK(send(as_bytes(fmt::format("{:x}\r\n", piece.size()))));
        CHECK_OK(send(piece));
        CHECK_OK(send(as_bytes("\r\n")));
        bytes = bytes.subspan(piece.size());
    }
    return {};
}

Result<std::size_t> Exchange::read_some(MutableByteView out) {
    while (true) {
        const ssize_t count = ::recv(socket_.get(), out.data(), out.size(), 0);
        if (count >= 0) {
            return static_cast<std::size_t>(count);
        }
        if (errno == EAGAIN) {
            CHECK_OK(wait_for(POLLIN));
        } else if (errno != EINTR) {
            return fail(errno_error("receive from docker"));
        }
    }
}

Result<Exchange::Answer> Exchange::receive() {
    registry::ResponseParser parser{registry::ResponseParser::Body::expected};
    Answer answer;
    Bytes input(kPieceBytes);
    Bytes body(kPieceBytes);
    std::size_t held = 0;
    while (!parser.done()) {
        TRY(const auto progress, parser.feed(ByteView{input}.first(held), body));
        answer.body += as_text(ByteView{body}.first(progress.body_bytes));
        if (answer.body.size() > kAnswerBytesMax) {
            return fail(over_limit("docker answers with more than anybody would read"));
        }
        std::copy(input.begin() + static_cast<std::ptrdiff_t>(progress.consumed_bytes),
                  input.begin() + static_cast<std::ptrdiff_t>(held), input.begin());
        held -= progress.consumed_bytes;
        if (progress.consumed_bytes != 0 || progress.body_bytes != 0 || parser.done()) {
            continue;
        }
        if (held == input.size()) {
            return fail(corrupt("docker's answer is no HTTP"));
        }
        TRY(const std::size_t count, read_some(MutableByteView{input}.subspan(held)));
        if (count == 0) {
            CHECK_OK(parser.end_of_input());
            break;
        }
        held += count;
    }
    answer.status = parser.head().status;
    return answer;
}

Result<std::string> request(std::string method, std::string target,
                            std::vector<registry::Field> fields) {
    fields.push_back({.name = "Connection", .value = "close"});
    return registry::serialise({.method = std::move(method),
                                .target = std::move(target),
                                .host = "docker",
                                .fields = std::move(fields)});
}

std::string member(const std::string& json, std::string_view name) {
    const auto document = codec::JsonDocument::parse(as_bytes(json), "docker's answer");
    if (!document) {
        return {};
    }
    const auto text = document->root().text_or_empty(name);
    return text.value_or("");
}

// Docker answers 200 before it has looked, and says in one of the lines how it went.
Error failure(const Exchange::Answer& answer) {
    return Error{.code = std::errc::io_error,
                 .message = fmt::format("docker could not load the image: {}",
                                        member(answer.body, "message").empty()
                                            ? answer.body.substr(0, 500)
                                            : member(answer.body, "message"))};
}

Result<void> check_load(const Exchange::Answer& answer) {
    if (answer.status != kStatusOk) {
        return fail(failure(answer));
    }
    std::size_t begin = 0;
    while (begin < answer.body.size()) {
        const std::size_t end = std::min(answer.body.find('\n', begin), answer.body.size());
        const std::string error = member(answer.body.substr(begin, end - begin), "error");
        if (!error.empty()) {
            return fail(Error{.code = std::errc::io_error,
                              .message = "docker could not load the image: " + error});
        }
        begin = end + 1;
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<DockerSocket>> DockerSocket::open(const std::string& path,
                                                         const image::Session& session) {
    TRY(Exchange exchange, Exchange::connect(path, session));
    TRY(const std::string ping, request("GET", "/_ping", {}));
    CHECK_OK(exchange.send(as_bytes(ping)));
    TRY(const auto answer, exchange.receive());
    if (answer.status != kStatusOk) {
        return fail(Error{
            .code = std::errc::protocol_error,
            .message = fmt::format("{}: answers {}, which docker does not", path, answer.status)});
    }
    return std::unique_ptr<DockerSocket>{new DockerSocket(path, session)};
}

Result<void> DockerSocket::load(const std::function<Result<void>(ByteSink&)>& write) const {
    TRY(Exchange exchange, Exchange::connect(path_, session_));
    TRY(const std::string head, request("POST", "/images/load?quiet=1",
                                        {{.name = "Content-Type", .value = "application/x-tar"},
                                         {.name = "Transfer-Encoding", .value = "chunked"}}));
    CHECK_OK(exchange.send(as_bytes(head)));
    const Result<void> written = write(exchange);
    if (!written && written.error().code != std::errc::broken_pipe &&
        written.error().code != std::errc::connection_reset) {
        return written;
    }
    // Docker hangs up on an archive that it does not like, and says why.
    if (written) {
        CHECK_OK(exchange.send(as_bytes("0\r\n\r\n")));
    }
    const auto answer = exchange.receive();
    if (!answer) {
        return written ? Result<void>{fail(answer.error())} : written;
    }
    return check_load(*answer);
}

}  // namespace lazybuild::cli
