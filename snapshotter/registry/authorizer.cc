// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/authorizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "snapshotter/io/semaphore.h"
#include "snapshotter/io/shared.h"
#include "snapshotter/registry/base64.h"
#include "snapshotter/registry/failure.h"

namespace lazybuild::registry {
namespace {

// How long a Basic field is used before the files and helpers are asked again.
constexpr std::chrono::seconds kBasicLifetime{60};
constexpr std::size_t kScopesMax = 16;
constexpr std::size_t kChallengesMax = 1024;

std::string basic_field(const Credential& credential) {
    return "Basic " + base64_encode(credential.user_name + ":" + credential.password);
}

std::string joined(const std::vector<std::string>& scopes) {
    std::string text;
    for (const std::string& scope : scopes) {
        text += text.empty() ? "" : " ";
        text += scope;
    }
    return text;
}

// "repository:a/b:pull,push" is the resource "repository:a/b" and the actions "pull,push".
void add_actions(std::string& scope, std::string_view actions) {
    while (!actions.empty()) {
        const std::size_t comma = actions.find(',');
        const std::string action(actions.substr(0, comma));
        actions.remove_prefix(std::min(actions.size(), action.size() + 1));
        const std::string present = "," + scope.substr(scope.rfind(':') + 1) + ",";
        if (present.find("," + action + ",") == std::string::npos) {
            scope += "," + action;
        }
    }
}

void join_scope(std::vector<std::string>& scopes, const std::string& scope) {
    const std::string resource = scope.substr(0, scope.rfind(':') + 1);
    for (std::string& present : scopes) {
        const bool same = !resource.empty() && present.starts_with(resource) &&
                          present.find(':', resource.size()) == std::string::npos;
        if (same) {
            add_actions(present, std::string_view(scope).substr(resource.size()));
            return;
        }
    }
    if (scopes.size() < kScopesMax) {
        scopes.push_back(scope);
    }
}

}  // namespace

// One Authorization field, and the right to renew it.
struct Authorizer::Slot {
    explicit Slot(io::Reactor& reactor) : renewing(reactor, 1) {}
    bool is_fresh() const { return !field.empty() && io::Clock::now() < until; }

    io::Semaphore renewing;
    std::string challenge_scope;  // what the registry asked for besides our own scopes
    std::string field;
    io::Deadline until{};
};

std::vector<std::string> join_scopes(std::vector<std::string> ours, std::string_view challenge) {
    while (!challenge.empty()) {
        const std::size_t space = std::min(challenge.find(' '), challenge.size());
        if (space > 0) {
            join_scope(ours, std::string(challenge.substr(0, space)));
        }
        challenge.remove_prefix(std::min(challenge.size(), space + 1));
    }
    return ours;
}

Access Access::pull(Repository repository) {
    std::string scope = "repository:" + repository.name + ":pull";
    return {std::move(repository), {std::move(scope)}};
}
Access Access::push(Repository repository) {
    std::string scope = "repository:" + repository.name + ":pull,push";
    return {std::move(repository), {std::move(scope)}};
}
Access Access::mount(Repository target, const std::string& from_name) {
    Access access = push(std::move(target));
    access.scopes.push_back("repository:" + from_name + ":pull");
    return access;
}

Authorizer::Authorizer(io::Reactor& reactor, io::Pool& pool, Transport& transport,
                       AuthorizerOptions options)
    : reactor_(reactor), pool_(pool), transport_(transport), options_(std::move(options)) {}

Authorizer::~Authorizer() = default;

std::shared_ptr<Authorizer::Slot> Authorizer::slot(const Access& access,
                                                   const Challenge& challenge) {
    // Basic credentials may differ by repository, tokens do by scope.
    const bool is_basic = challenge.scheme == Challenge::Scheme::basic;
    const std::string key = access.repository.host + (is_basic ? " basic " : " token ") +
                            (is_basic ? access.repository.name : joined(access.scopes));
    if (const auto found = slots_.find(key); found != slots_.end()) {
        return found->second;
    }
    if (slots_.size() >= kTokensMax) {
        std::erase_if(slots_, [](const auto& item) { return item.second.use_count() == 1; });
    }
    return slots_.emplace(key, std::make_shared<Slot>(reactor_)).first->second;
}

io::Task<Result<std::string>> Authorizer::authorization(Access access, Origin registry,
                                                        io::Wait wait) {
    const auto known = challenges_.find(access.repository.host);
    if (known == challenges_.end()) {
        co_return std::string{};
    }
    const Challenge challenge = known->second;
    const std::shared_ptr<Slot> mine = slot(access, challenge);
    if (!mine->is_fresh()) {
        // Many requests of one image start together; one of them fetches, the others find.
        const io::Permit permit = co_await io::or_return(co_await mine->renewing.acquire(wait));
        if (!mine->is_fresh()) {
            co_await io::or_return(
                co_await fill(mine, std::move(access), challenge, std::move(registry), wait));
        }
    }
    co_return mine->field;
}

bool Authorizer::learn(const Access& access, const ResponseHead& unauthorized,
                       const std::string& sent) {
    auto challenge = choose_challenge(unauthorized.all_fields("WWW-Authenticate"));
    if (!challenge) {
        return false;
    }
    if (challenges_.size() >= kChallengesMax) {
        challenges_.clear();
    }
    // The scope belongs to this request; the next one to this host has its own.
    std::string scope = std::exchange(challenge->scope, {});
    challenges_[access.repository.host] = *challenge;
    const std::shared_ptr<Slot> mine = slot(access, *challenge);
    mine->challenge_scope = std::move(scope);
    // Somebody else may have renewed it meanwhile; then theirs is to be tried.
    if (mine->field == sent) {
        mine->field.clear();
    }
    return true;
}

std::string Authorizer::credential_problem(const std::string& host) const {
    const auto found = problems_.find(host);
    return found == problems_.end() ? std::string{} : found->second;
}

io::Task<Result<std::optional<Credential>>> Authorizer::find_credential(Repository repository,
                                                                        io::Wait wait) {
    if (options_.credential) {
        const bool is_anonymous = options_.credential->empty();
        co_return is_anonymous ? std::nullopt : options_.credential;
    }
    const std::string host = repository.host;
    // The job owns what it needs, so that a wait that ends early can leave it behind.
    auto job = [sources = options_.sources, repository = std::move(repository)] {
        return registry::find_credential(sources, repository);
    };
    using Found = std::optional<Credential>;
    auto search = io::Shared<Found>::start(reactor_, io::run_on(pool_, reactor_, std::move(job)));
    Result<Found> found = co_await search.result(wait);
    const bool has_failed = !found && search.finished();
    if (has_failed) {
        // Public images need no credential: a broken helper must not stop their pull. If one is
        // needed after all, the refusal tells of this.
        const std::string& message = found.error().message;
        log::warning("no credential", {{"registry", host}, {"error", message}});
        problems_[host] = message;
        co_return Found{};
    }
    problems_.erase(host);
    co_return found;
}

io::Task<Result<void>> Authorizer::fill(std::shared_ptr<Slot> slot, Access access,
                                        Challenge challenge, Origin registry, io::Wait wait) {
    std::optional<Credential> credential =
        co_await io::or_return(co_await find_credential(access.repository, wait));
    if (challenge.scheme == Challenge::Scheme::basic) {
        slot->field = credential && !credential->user_name.empty() ? basic_field(*credential) : "";
        slot->until = io::deadline_in(kBasicLifetime);
        co_return Result<void>{};
    }
    const Url realm = co_await io::or_return(parse_url(challenge.realm));
    if (credential && registry.tls && !realm.origin.tls) {
        co_return fail(Error{std::errc::protocol_error,
                             fmt::format("{} asks to send its credentials to {} without TLS",
                                         registry.text(), realm.redacted())});
    }
    std::vector<std::string> scopes = join_scopes(access.scopes, slot->challenge_scope);
    TokenAnswer answer = co_await io::or_return(
        co_await fetch_token(std::move(access), std::move(challenge), realm, std::move(scopes),
                             std::move(credential), wait));
    slot->field = "Bearer " + answer.token;
    // Renewed before the registry's clock says so.
    slot->until = io::deadline_in(answer.lifetime * 9 / 10);
    co_return Result<void>{};
}

io::Task<Result<TokenAnswer>> Authorizer::fetch_token(Access access, Challenge challenge, Url realm,
                                                      std::vector<std::string> scopes,
                                                      std::optional<Credential> credential,
                                                      io::Wait wait) {
    Request request{.url = realm, .lane = Lane::token};
    if (credential && !credential->identity_token.empty()) {
        request.method = "POST";
        request.fields.push_back({"Content-Type", "application/x-www-form-urlencoded"});
        request.body = fmt::format(
            "grant_type=refresh_token&service={}&client_id={}&scope={}&refresh_token={}",
            percent_encode(challenge.service), percent_encode(options_.client_id),
            percent_encode(joined(scopes)), percent_encode(credential->identity_token));
    } else {
        if (!challenge.service.empty()) {
            request.url = request.url.with_query("service", challenge.service);
        }
        for (const std::string& scope : scopes) {
            request.url = request.url.with_query("scope", scope);
        }
        if (credential) {
            request.url = request.url.with_query("account", credential->user_name);
            request.authorization = basic_field(*credential);
        }
    }
    request.fields.push_back({"Accept", "application/json"});
    Response response =
        co_await io::or_return(co_await transport_.follow(std::move(request), wait));
    if (response.status() != 200) {
        const Bytes body = co_await response.read_short(wait);
        Error error =
            status_error("token request to", realm, response.head(), body, access.repository.host);
        co_return fail(std::move(error));
    }
    const Bytes body =
        co_await io::or_return(co_await response.read_all(kTokenAnswerBytesMax, wait));
    Result<TokenAnswer> answer = parse_token_answer(body);
    if (!answer) {
        co_return fail(std::move(answer).error().context(realm.redacted()));
    }
    co_return answer;
}

}  // namespace lazybuild::registry
