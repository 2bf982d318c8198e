// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/requester.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace lazybuild::registry {
namespace {

TransportOptions transport_options(const ClientOptions& options) {
    return {.connections = {.connections_per_lane =
                                std::max<std::size_t>(options.connections_per_host, 1),
                            .connect_timeout = options.connect_timeout,
                            .idle_timeout = options.idle_timeout,
                            .pooled_idle_timeout = options.pooled_idle_timeout,
                            .tls_verify = options.tls_verify,
                            .certificate_directory = options.certificate_directory,
                            .host_certificates_root = options.host_certificates_root},
            .user_agent = options.user_agent};
}

AuthorizerOptions authorizer_options(const ClientOptions& options) {
    AuthorizerOptions authorizer;
    authorizer.credential = options.credential;
    authorizer.sources = credential_sources(options.auth_file, AuthEnvironment::of_process());
    authorizer.sources.helper_timeout = options.helper_timeout;
    return authorizer;
}

}  // namespace

Requester::Requester(io::Reactor& reactor, io::Pool& pool, ClientOptions options)
    : reactor_(reactor),
      pool_(pool),
      options_(std::move(options)),
      transport_(reactor, pool, transport_options(options_)),
      authorizer_(reactor, pool, transport_, authorizer_options(options_)) {}

Retries Requester::retries() {
    return Retries(reactor_, {.attempts_max = options_.attempts_max,
                              .backoff_first = options_.backoff_first,
                              .backoff_max = options_.backoff_max,
                              .retry_after_max = options_.retry_after_max});
}

Result<Origin> Requester::origin(const Repository& repository) const {
    CHECK_OK(check_repository(repository));
    const bool is_plain = options_.plain_http || (is_loopback_host(repository.host) &&
                                                  options_.certificate_directory.empty());
    return registry_origin(repository.host, !is_plain);
}

Result<Url> Requester::url(const Repository& repository, std::string_view path) const {
    TRY(Origin its_origin, origin(repository));
    return Url{std::move(its_origin), fmt::format("/v2/{}/{}", repository.name, path)};
}

io::Task<Result<Response>> Requester::send(Request request, Access access, Retries& retries,
                                           io::Wait wait) {
    const Origin registry = co_await io::or_return(origin(access.repository));
    const bool is_ours = request.url.origin == registry;
    if (is_ours) {
        request.authorization =
            co_await io::or_return(co_await authorizer_.authorization(access, registry, wait));
    }
    Response response = co_await io::or_return(co_await transport_.follow(request, wait));
    const bool asks_us = response.status() == 401 && response.url().origin == registry && is_ours;
    if (asks_us && authorizer_.learn(access, response.head(), request.authorization)) {
        const std::string field =
            co_await io::or_return(co_await authorizer_.authorization(access, registry, wait));
        // What has been sent of an upload is gone; its caller begins again.
        if (field != request.authorization && request.source == nullptr) {
            request.authorization = field;
            co_await response.discard(wait);
            response = co_await io::or_return(co_await transport_.follow(request, wait));
        }
    }
    if (is_passing_status(response.status())) {
        retries.server_asked(retry_after(response.head()));
        Error error =
            co_await refusal(std::move(response), request.method, access.repository, wait);
        co_return fail(std::move(error));
    }
    co_return response;
}

io::Task<Error> Requester::refusal(Response response, std::string method, Repository repository,
                                   io::Wait wait) {
    const Bytes body = co_await response.read_short(std::move(wait));
    Error error = status_error(method, response.url(), response.head(), body, repository.host);
    const std::string problem = authorizer_.credential_problem(repository.host);
    const bool tells_more = error.code == std::errc::permission_denied && !problem.empty();
    if (tells_more) {
        error.message += "; no credential was found: " + problem;
    }
    co_return error;
}

}  // namespace lazybuild::registry
