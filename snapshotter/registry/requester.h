// SPDX-License-Identifier: Apache-2.0
// Requests to a registry as its API means them: to the right origin, authorised, redirected, and
// tried again when a failure may pass. What the parts of the Client are built on.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "base/result.h"
#include "snapshotter/io/pool.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/registry/authorizer.h"
#include "snapshotter/registry/client_options.h"
#include "snapshotter/registry/failure.h"
#include "snapshotter/registry/transport.h"

namespace lazybuild::registry {

/// Thread: the reactor's. Outlives its tasks.
class Requester {
  public:
    Requester(io::Reactor& reactor, io::Pool& pool, ClientOptions options);

    io::Reactor& reactor() { return reactor_; }
    io::Pool& pool() { return pool_; }
    const ClientOptions& options() const { return options_; }
    Transport& transport() { return transport_; }

    /// "https://host/v2/<name>/<path>". Errors: invalid_argument for a repository that is none.
    Result<Url> url(const Repository& repository, std::string_view path) const;

    /// One request, with authorization if it goes to the repository's own registry, and once more
    /// when a 401 tells what is missing. Statuses that may pass are Errors here, and `retries` is
    /// told of their Retry-After; any other status is a Response. `retries` outlives the task.
    io::Task<Result<Response>> send(Request request, Access access, Retries& retries,
                                    io::Wait wait);

    /// A response that is not what was hoped for, as an Error; reads its body.
    io::Task<Error> refusal(Response response, std::string method, Repository repository,
                            io::Wait wait);

    Retries retries();

    /// Runs `attempt` until it succeeds, fails for good, or `retries` says that it is enough.
    /// Both outlive the task.
    template <class T>
    io::Task<Result<T>> repeat(const std::function<io::Task<Result<T>>()>& attempt,
                               Retries& retries, io::Wait wait) {
        while (true) {
            Result<T> result = co_await attempt();
            if (result || !is_passing(result.error())) {
                co_return result;
            }
            const bool again = co_await io::or_return(co_await retries.pause(wait));
            if (!again) {
                co_return result;
            }
        }
    }

  private:
    Result<Origin> origin(const Repository& repository) const;

    io::Reactor& reactor_;
    io::Pool& pool_;
    const ClientOptions options_;
    Transport transport_;
    Authorizer authorizer_;
};

}  // namespace lazybuild::registry
