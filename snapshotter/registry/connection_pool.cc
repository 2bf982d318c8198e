// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/connection_pool.h"

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "snapshotter/io/operations.h"
#include "snapshotter/io/shared.h"
#include "snapshotter/registry/dial.h"

namespace lazybuild::registry {
namespace {

using TlsContextPointer = std::shared_ptr<const TlsContext>;

// A certificate that is added or renewed is seen after this long; reading the system's takes tens
// of milliseconds, too long for each connection.
constexpr std::chrono::seconds kTlsContextLifetime{60};

struct IdleConnection {
    std::unique_ptr<Connection> connection;
    io::Deadline until;
};

TlsOptions tls_options(const ConnectionPoolOptions& options, const Origin& origin) {
    TlsOptions tls{.verify = options.tls_verify, .certificate_directories = {}};
    if (!options.certificate_directory.empty()) {
        tls.certificate_directories.push_back(options.certificate_directory);
    }
    if (!options.host_certificates_root.empty()) {
        const std::string port = ":" + std::to_string(origin.port);
        const std::string name = origin.authority();
        const std::string root = options.host_certificates_root + "/";
        tls.certificate_directories.push_back(root + name);
        if (!name.ends_with(port)) {
            tls.certificate_directories.push_back(root + name + port);
        }
    }
    return tls;
}

}  // namespace

struct ConnectionPool::Host {
    Host(io::Reactor& reactor, Origin its_origin, std::size_t connections)
        : origin(std::move(its_origin)),
          downloads(reactor, connections),
          uploads(reactor, connections),
          tokens(reactor, connections) {}

    io::Semaphore& lane(Lane which) {
        switch (which) {
            case Lane::download: return downloads;
            case Lane::upload: return uploads;
            case Lane::token: break;
        }
        return tokens;
    }

    const Origin origin;
    io::Semaphore downloads;
    io::Semaphore uploads;
    io::Semaphore tokens;
    std::vector<IdleConnection> idle;  // the one used last is at the back, and goes first
    std::optional<io::Shared<TlsContextPointer>> tls;
    io::Deadline tls_until{};
};

struct ConnectionPool::State {
    State(io::Reactor& its_reactor, io::Pool& its_pool, ConnectionPoolOptions its_options)
        : reactor(its_reactor), pool(its_pool), options(std::move(its_options)) {}

    std::shared_ptr<Host> host(const Origin& origin) {
        auto found = hosts.find(origin);
        if (found == hosts.end()) {
            forget_unused_hosts();
            auto made = std::make_shared<Host>(reactor, origin, options.connections_per_lane);
            found = hosts.emplace(origin, std::move(made)).first;
        }
        return found->second;
    }

    // Redirects name ever new hosts; those that nobody holds are only a little memory.
    void forget_unused_hosts() {
        if (hosts.size() < kOriginsMax) {
            return;
        }
        std::erase_if(hosts, [](const auto& item) {
            return item.second.use_count() == 1 && item.second->idle.empty();
        });
    }

    // What is kept for `host`, or anew.
    io::Shared<TlsContextPointer> make_tls_context(Host& host) {
        if (host.tls && io::Clock::now() < host.tls_until) {
            return *host.tls;
        }
        auto job = [tls = tls_options(options, host.origin)] { return TlsContext::create(tls); };
        auto making = io::Shared<TlsContextPointer>::start(
            reactor, io::run_on(pool, reactor, std::move(job)));
        host.tls = making;
        host.tls_until = io::deadline_in(kTlsContextLifetime);
        return making;
    }

    void close_expired(io::Deadline now) {
        for (auto& [origin, host] : hosts) {
            std::erase_if(host->idle,
                          [now](const IdleConnection& one) { return one.until <= now; });
        }
    }

    std::size_t idle_connections() const {
        std::size_t count = 0;
        for (const auto& [origin, host] : hosts) {
            count += host->idle.size();
        }
        return count;
    }

    io::Reactor& reactor;
    io::Pool& pool;
    const ConnectionPoolOptions options;
    std::map<Origin, std::shared_ptr<Host>> hosts;
    io::CancelSource closing;
    bool sweeping = false;
};

ConnectionPool::Lease::Lease() = default;
ConnectionPool::Lease::Lease(Lease&&) noexcept = default;
ConnectionPool::Lease::~Lease() {
    release();
}

ConnectionPool::Lease& ConnectionPool::Lease::operator=(Lease&& other) noexcept {
    release();
    state_ = std::move(other.state_);
    host_ = std::move(other.host_);
    permit_ = std::move(other.permit_);
    connection_ = std::move(other.connection_);
    was_pooled_ = other.was_pooled_;
    return *this;
}

void ConnectionPool::Lease::release() {
    const bool is_kept = connection_ && connection_->is_reusable() &&
                         host_->idle.size() < state_->options.connections_per_lane &&
                         !state_->closing.cancelled() && !state_->reactor.stopping();
    if (is_kept) {
        const io::Deadline until = io::deadline_in(state_->options.pooled_idle_timeout);
        host_->idle.push_back({std::move(connection_), until});
        sweep_later(state_);
    }
    connection_.reset();
    permit_.release();
    host_.reset();
    state_.reset();
}

ConnectionPool::ConnectionPool(io::Reactor& reactor, io::Pool& pool, ConnectionPoolOptions options)
    : state_(std::make_shared<State>(reactor, pool, std::move(options))) {}

ConnectionPool::~ConnectionPool() {
    state_->closing.cancel();
    for (auto& [origin, host] : state_->hosts) {
        host->idle.clear();
    }
}

std::size_t ConnectionPool::idle_connections() const {
    return state_->idle_connections();
}

// Idle connections are closed by a task that lives only while there are any.
void ConnectionPool::sweep_later(const std::shared_ptr<State>& state) {
    if (!state->sweeping) {
        state->sweeping = true;
        state->reactor.spawn(sweep(state));
    }
}

io::Task<void> ConnectionPool::sweep(std::shared_ptr<State> state) {
    while (state->idle_connections() > 0) {
        io::Wait wait{.deadline = io::deadline_in(state->options.pooled_idle_timeout),
                      .cancel = state->closing.token()};
        const Result<void> slept = co_await io::sleep(state->reactor, std::move(wait));
        if (!slept) {
            break;
        }
        state->close_expired(io::Clock::now());
    }
    state->sweeping = false;
}

io::Task<Result<TlsContextPointer>> ConnectionPool::tls_context(std::shared_ptr<State> state,
                                                                std::shared_ptr<Host> host,
                                                                io::Wait wait) {
    const io::Shared<TlsContextPointer> making = state->make_tls_context(*host);
    Result<TlsContextPointer> context = co_await making.result(std::move(wait));
    if (!context && making.finished()) {
        host->tls.reset();  // the file may be mended by the next connection
    }
    co_return context;
}

io::Task<Result<ConnectionPool::Lease>> ConnectionPool::acquire(Origin origin, Lane lane, Want want,
                                                                io::Wait wait) {
    Result<Lease> lease =
        co_await acquire_from(state_, state_->host(origin), lane, want, std::move(wait));
    if (!lease) {
        co_return fail(std::move(lease).error().context(origin.text()));
    }
    co_return lease;
}

io::Task<Result<ConnectionPool::Lease>> ConnectionPool::acquire_from(std::shared_ptr<State> state,
                                                                     std::shared_ptr<Host> host,
                                                                     Lane lane, Want want,
                                                                     io::Wait wait) {
    Lease lease;
    lease.state_ = state;
    lease.host_ = host;
    lease.permit_ = co_await io::or_return(co_await host->lane(lane).acquire(wait));
    while (want == Want::any && !host->idle.empty()) {
        IdleConnection kept = std::move(host->idle.back());
        host->idle.pop_back();
        const bool is_usable = kept.until > io::Clock::now() && kept.connection->is_quiet();
        if (is_usable) {
            lease.connection_ = std::move(kept.connection);
            lease.was_pooled_ = true;
            co_return lease;
        }
    }
    TlsContextPointer tls;
    if (host->origin.tls) {
        tls = co_await io::or_return(co_await tls_context(state, host, wait));
    }
    std::unique_ptr<Stream> stream = co_await io::or_return(co_await dial(
        state->reactor, state->pool, host->origin, tls, state->options.connect_timeout, wait));
    lease.connection_ =
        std::make_unique<Connection>(std::move(stream), state->options.idle_timeout);
    co_return lease;
}

}  // namespace lazybuild::registry
