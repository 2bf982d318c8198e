// SPDX-License-Identifier: Apache-2.0
// Requests and responses over pooled connections, redirects included. Knows HTTP, and nothing of
// registries or credentials; it only keeps Authorization from leaving the origin it was meant for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "snapshotter/io/pool.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/registry/connection_pool.h"
#include "snapshotter/registry/http_message.h"
#include "snapshotter/registry/url.h"

namespace lazybuild::registry {

inline constexpr int kRedirectsMax = 5;

/// The body of an upload, in order, once. Thread: the reactor's.
class BodySource {
  public:
    virtual ~BodySource() = default;
    virtual std::uint64_t size_bytes() const = 0;
    /// Fills a prefix of `out` (not empty) and returns its length; 0 only after size_bytes().
    virtual io::Task<Result<std::size_t>> read(MutableByteView out, io::Wait wait) = 0;
};

struct Request {
    std::string method = "GET";
    Url url;
    std::vector<Field> fields;     ///< besides Host, User-Agent, Authorization and framing
    std::string authorization;     ///< sent to url's origin only; empty: none
    std::string body;              ///< with Content-Length, unless the method is GET or HEAD
    BodySource* source = nullptr;  ///< instead of body; outlives the request, which is sent once
    Lane lane = Lane::download;
};

/// A response whose body may still be on its way. Holds a connection until the body is read to its
/// end or this goes.
class Response {
  public:
    Response(ResponseHead head, Url url, ConnectionPool::Lease lease)
        : head_(std::move(head)), url_(std::move(url)), lease_(std::move(lease)) {}

    int status() const { return head_.status; }
    const ResponseHead& head() const { return head_; }
    /// That answered, after all redirects.
    const Url& url() const { return url_; }

    /// Some of the body into a prefix of `out` (not empty, outlives the task); 0 at the end, when
    /// the connection goes back. Not after an Error.
    io::Task<Result<std::size_t>> read(MutableByteView out, io::Wait wait);
    /// The whole body. Errors besides: argument_out_of_domain above `limit_bytes`.
    io::Task<Result<Bytes>> read_all(std::size_t limit_bytes, io::Wait wait);
    /// The body as far as it is short, for an error message; never fails. The connection is free
    /// for others afterwards, or closed.
    io::Task<Bytes> read_short(io::Wait wait);
    /// The same, where nobody wants to know.
    io::Task<void> discard(io::Wait wait);

  private:
    ResponseHead head_;
    Url url_;
    ConnectionPool::Lease lease_;
    bool ended_ = false;
};

struct TransportOptions {
    ConnectionPoolOptions connections;
    std::string user_agent;
};

/// Thread: the reactor's. Outlives its tasks; Responses may outlive it.
class Transport {
  public:
    Transport(io::Reactor& reactor, io::Pool& pool, TransportOptions options);

    /// One request, one response, of any status. A kept connection that turns out to be dead before
    /// a byte of the response came is replaced by a fresh one, once. `request` outlives the task.
    io::Task<Result<Response>> exchange(const Request& request, io::Wait wait);

    /// The same, going after redirects (301, 302, 303, 307, 308) of GET and HEAD; other methods get
    /// the redirect as their response. Errors besides: protocol_error for more than kRedirectsMax,
    /// and for one that leaves TLS while certificates are verified.
    io::Task<Result<Response>> follow(Request request, io::Wait wait);

    const ConnectionPool& connections() const { return connections_; }

  private:
    io::Task<Result<Response>> exchange_on(const Request& request, ConnectionPool::Lease& lease,
                                           io::Wait wait);
    io::Task<Result<void>> send(const Request& request, Connection& connection, bool& source_failed,
                                io::Wait wait);

    const TransportOptions options_;
    ConnectionPool connections_;
};

}  // namespace lazybuild::registry
