// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/transport.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "snapshotter/registry/failure.h"

namespace lazybuild::registry {
namespace {

constexpr std::size_t kUploadPieceBytes = 1 << 20;
constexpr std::size_t kShortBodyBytesMax = 64 << 10;
// For what is read only to word an error, or to keep a connection.
constexpr std::chrono::seconds kShortBodyTimeout{5};
// For the answer of a server that stopped listening to an upload.
constexpr std::chrono::seconds kEarlyAnswerTimeout{5};

bool has_body(const std::string& method) {
    return method != "GET" && method != "HEAD";
}

Result<std::string> request_head(const Request& request, const std::string& user_agent) {
    RequestHead head{.method = request.method,
                     .target = request.url.target,
                     .host = request.url.origin.authority(),
                     .fields = {{"User-Agent", user_agent}}};
    if (!request.authorization.empty()) {
        head.fields.push_back({"Authorization", request.authorization});
    }
    head.fields.insert(head.fields.end(), request.fields.begin(), request.fields.end());
    if (has_body(request.method)) {
        const std::uint64_t size_bytes =
            request.source != nullptr ? request.source->size_bytes() : request.body.size();
        head.fields.push_back({"Content-Length", std::to_string(size_bytes)});
    }
    return serialise(head);
}

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

io::Task<Result<std::size_t>> Response::read(MutableByteView out, io::Wait wait) {
    if (ended_) {
        co_return std::size_t{0};
    }
    Result<std::size_t> size = co_await lease_.connection().receive_body(out, std::move(wait));
    if (size && *size == 0) {
        ended_ = true;
        lease_.release();
    }
    co_return size;
}

io::Task<Result<Bytes>> Response::read_all(std::size_t limit_bytes, io::Wait wait) {
    Bytes body;
    Bytes piece(std::min<std::size_t>(limit_bytes + 1, 64 << 10));
    while (true) {
        const std::size_t size =
            co_await io::or_return(co_await read(MutableByteView(piece), wait));
        if (size == 0) {
            co_return body;
        }
        if (body.size() + size > limit_bytes) {
            co_return fail(over_limit(fmt::format("{}: the answer is larger than {} bytes",
                                                  url_.redacted(), limit_bytes)));
        }
        body.insert(body.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(size));
    }
}

io::Task<Bytes> Response::read_short(io::Wait wait) {
    Result<Bytes> body =
        co_await read_all(kShortBodyBytesMax, at_most(std::move(wait), kShortBodyTimeout));
    lease_ = {};
    ended_ = true;
    co_return body ? *std::move(body) : Bytes{};
}

io::Task<void> Response::discard(io::Wait wait) {
    const Bytes unread = co_await read_short(std::move(wait));
    static_cast<void>(unread);
}

Transport::Transport(io::Reactor& reactor, io::Pool& pool, TransportOptions options)
    : options_(options), connections_(reactor, pool, std::move(options.connections)) {}

io::Task<Result<Response>> Transport::exchange(const Request& request, io::Wait wait) {
    ConnectionPool::Lease lease = co_await io::or_return(co_await connections_.acquire(
        request.url.origin, request.lane, ConnectionPool::Want::any, wait));
    Result<Response> response = co_await exchange_on(request, lease, wait);
    const bool was_stale = !response && lease.was_pooled() && !lease.connection().has_answered() &&
                           request.source == nullptr && is_connection_lost(response.error());
    if (was_stale) {
        lease = {};
        lease = co_await io::or_return(co_await connections_.acquire(
            request.url.origin, request.lane, ConnectionPool::Want::fresh, wait));
        response = co_await exchange_on(request, lease, wait);
    }
    if (!response) {
        co_return fail(std::move(response).error().context(
            fmt::format("{} {}", request.method, request.url.redacted())));
    }
    co_return response;
}

io::Task<Result<Response>> Transport::exchange_on(const Request& request,
                                                  ConnectionPool::Lease& lease, io::Wait wait) {
    Connection& connection = lease.connection();
    connection.begin_request();
    bool source_failed = false;
    Result<void> sent = co_await send(request, connection, source_failed, wait);
    if (!sent && (source_failed || !is_connection_lost(sent.error()))) {
        co_return fail(std::move(sent).error());
    }
    // A server that refuses an upload answers and closes: its answer says more than our EPIPE.
    const io::Wait answer_wait = sent ? wait : at_most(wait, kEarlyAnswerTimeout);
    const auto body =
        request.method == "HEAD" ? ResponseParser::Body::none : ResponseParser::Body::expected;
    Result<ResponseHead> head = co_await connection.receive_head(body, answer_wait);
    if (!head) {
        co_return fail(sent ? std::move(head).error() : std::move(sent).error());
    }
    co_return Response(*std::move(head), request.url, std::move(lease));
}

// `source_failed`: the Error is of the upload's content, not of the connection.
io::Task<Result<void>> Transport::send(const Request& request, Connection& connection,
                                       bool& source_failed, io::Wait wait) {
    std::string head = co_await io::or_return(request_head(request, options_.user_agent));
    if (request.source == nullptr) {
        head += request.body;  // one segment, mostly
    }
    co_await io::or_return(co_await connection.send(as_bytes(head), wait));
    if (request.source == nullptr) {
        co_return Result<void>{};
    }
    Bytes piece(std::min<std::uint64_t>(kUploadPieceBytes, request.source->size_bytes()));
    std::uint64_t left = request.source->size_bytes();
    while (left > 0) {
        const MutableByteView room =
            MutableByteView(piece).first(std::min<std::uint64_t>(left, piece.size()));
        source_failed = true;
        const std::size_t size = co_await io::or_return(co_await request.source->read(room, wait));
        if (size == 0) {
            co_return fail(corrupt("the content to upload is shorter than was said"));
        }
        source_failed = false;
        co_await io::or_return(co_await connection.send(ByteView(piece).first(size), wait));
        left -= size;
    }
    co_return Result<void>{};
}

io::Task<Result<Response>> Transport::follow(Request request, io::Wait wait) {
    for (int hop = 0; hop <= kRedirectsMax; ++hop) {
        Response response = co_await io::or_return(co_await exchange(request, wait));
        const auto location = response.head().field("Location");
        const bool goes_on =
            is_redirect(response.status()) && location && !has_body(request.method);
        if (!goes_on) {
            co_return response;
        }
        Url next = co_await io::or_return(resolve_url(request.url, *location));
        const bool leaves_tls = request.url.origin.tls && !next.origin.tls;
        if (leaves_tls && options_.connections.tls_verify) {
            co_return fail(Error{std::errc::protocol_error,
                                 fmt::format("{} redirects from TLS to plain {}; "
                                             "--tls-verify=false would allow that",
                                             request.url.redacted(), next.redacted())});
        }
        if (next.origin != request.url.origin) {
            request.authorization.clear();
        }
        request.url = std::move(next);
        co_await response.discard(wait);
    }
    co_return fail(
        Error{std::errc::protocol_error,
              fmt::format("{}: more than {} redirects", request.url.redacted(), kRedirectsMax)});
}

}  // namespace lazybuild::registry
