// SPDX-License-Identifier: Apache-2.0
// Connections by origin: a bound on how many there are, and the idle ones kept for the next
// request. A connection comes back when its lease goes and its response was read to the end.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "snapshotter/io/pool.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/semaphore.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/registry/connection.h"
#include "snapshotter/registry/tls.h"
#include "snapshotter/registry/url.h"

namespace lazybuild::registry {

/// Origins with nothing open or awaited are forgotten when there are more than this.
inline constexpr std::size_t kOriginsMax = 256;

/// What a connection is taken for. Each lane of an origin has its own bound, because a task may
/// wait for a lane to the right while it holds one to its left, and so never for itself: an upload
/// that streams from the same registry holds a download, and either may need a token.
enum class Lane : std::uint8_t { download, upload, token };

struct ConnectionPoolOptions {
    std::size_t connections_per_lane = 8;
    std::chrono::milliseconds connect_timeout{10'000};
    std::chrono::milliseconds idle_timeout{30'000};         ///< see Connection
    std::chrono::milliseconds pooled_idle_timeout{30'000};  ///< of one nobody uses
    bool tls_verify = true;
    std::string certificate_directory;   ///< trusted for every host; may be empty
    std::string host_certificates_root;  ///< <root>/<host[:port]>; may be empty
};

/// Thread: the reactor's. Leases may outlive the pool.
class ConnectionPool {
    struct Host;
    struct State;

  public:
    /// A connection in use. Movable; one that was moved from is empty.
    class Lease {
      public:
        Lease();
        Lease(Lease&&) noexcept;
        Lease& operator=(Lease&& other) noexcept;
        ~Lease();

        Connection& connection() { return *connection_; }
        /// It has carried requests before: the peer may have closed it without our knowing.
        bool was_pooled() const { return was_pooled_; }
        /// Keeps the connection for others if it is_reusable(), else closes it.
        void release();

      private:
        friend class ConnectionPool;
        std::shared_ptr<State> state_;
        std::shared_ptr<Host> host_;  // before permit_, which refers into it
        io::Permit permit_;
        std::unique_ptr<Connection> connection_;
        bool was_pooled_ = false;
    };

    ConnectionPool(io::Reactor& reactor, io::Pool& pool, ConnectionPoolOptions options);
    ConnectionPool(const ConnectionPool&) = delete;
    ConnectionPool& operator=(const ConnectionPool&) = delete;
    /// Closes the idle connections.
    ~ConnectionPool();

    enum class Want : std::uint8_t { any, fresh };
    /// A kept connection (unless `want` says fresh) or a new one, when the lane has room.
    /// Errors: those of dial(); the message names the origin.
    io::Task<Result<Lease>> acquire(Origin origin, Lane lane, Want want, io::Wait wait);

    /// Kept for later, over all origins.
    std::size_t idle_connections() const;

  private:
    static void sweep_later(const std::shared_ptr<State>& state);
    static io::Task<void> sweep(std::shared_ptr<State> state);
    static io::Task<Result<Lease>> acquire_from(std::shared_ptr<State> state,
                                                std::shared_ptr<Host> host, Lane lane, Want want,
                                                io::Wait wait);
    static io::Task<Result<std::shared_ptr<const TlsContext>>> tls_context(
        std::shared_ptr<State> state, std::shared_ptr<Host> host, io::Wait wait);

    std::shared_ptr<State> state_;
};

}  // namespace lazybuild::registry
