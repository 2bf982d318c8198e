// SPDX-License-Identifier: Apache-2.0
// Turns a registry's challenge into an Authorization field: Basic, or a token from the service that
// the challenge names. Remembers challenges by registry and tokens by scope until they expire, so
// that only the first request meets a 401.
//
// A credential goes to the registry it was stored for and to the token service that this registry
// names over TLS; passwords are looked up when needed and not kept.
//
// Source: Docker registry token authentication ("token" and "oauth2" requests).
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "snapshotter/io/pool.h"
#include "snapshotter/io/reactor.h"
#include "snapshotter/io/task.h"
#include "snapshotter/io/wait.h"
#include "snapshotter/registry/challenge.h"
#include "snapshotter/registry/credential.h"
#include "snapshotter/registry/credentials.h"
#include "snapshotter/registry/transport.h"

namespace lazybuild::registry {

/// More tokens than this are not kept.
inline constexpr std::size_t kTokensMax = 1024;

/// What a request wants to do, in the words of the token specification.
struct Access {
    Repository repository;            ///< whose credential is used
    std::vector<std::string> scopes;  ///< "repository:library/python:pull"

    static Access pull(Repository repository);
    static Access push(Repository repository);
    /// Push to `target`, pull from `from_name` of the same registry.
    static Access mount(Repository target, const std::string& from_name);
};

struct AuthorizerOptions {
    std::optional<Credential> credential;  ///< used instead of `sources`
    CredentialSources sources;
    std::string client_id = "lazybuild";  ///< for oauth2 requests
};

/// Thread: the reactor's. The transport outlives it; it outlives its tasks.
class Authorizer {
  public:
    Authorizer(io::Reactor& reactor, io::Pool& pool, Transport& transport,
               AuthorizerOptions options);
    ~Authorizer();

    /// The Authorization field for a request to `registry`; empty when it has never asked for one.
    /// May ask a token service. Errors: permission_denied when that refuses, else its failure.
    io::Task<Result<std::string>> authorization(Access access, Origin registry, io::Wait wait);

    /// Takes in a 401 that answered a request sent with `sent` ("" for none). True when another
    /// try with a new authorization() may do better.
    bool learn(const Access& access, const ResponseHead& unauthorized, const std::string& sent);

    /// Why the last look-up of credentials for this registry host gave none, or empty.
    std::string credential_problem(const std::string& host) const;

  private:
    struct Slot;
    std::shared_ptr<Slot> slot(const Access& access, const Challenge& challenge);
    io::Task<Result<void>> fill(std::shared_ptr<Slot> slot, Access access, Challenge challenge,
                                Origin registry, io::Wait wait);
    io::Task<Result<std::optional<Credential>>> find_credential(Repository repository,
                                                                io::Wait wait);
    io::Task<Result<TokenAnswer>> fetch_token(Access access, Challenge challenge, Url realm,
                                              std::vector<std::string> scopes,
                                              std::optional<Credential> credential, io::Wait wait);

    io::Reactor& reactor_;
    io::Pool& pool_;
    Transport& transport_;
    const AuthorizerOptions options_;
    std::map<std::string, Challenge> challenges_;         // by registry host, without their scopes
    std::map<std::string, std::string> problems_;         // by registry host
    std::map<std::string, std::shared_ptr<Slot>> slots_;  // by host, kind and scopes
};

/// `ours` and the scopes of a challenge together; actions on one resource are joined.
std::vector<std::string> join_scopes(std::vector<std::string> ours, std::string_view challenge);

}  // namespace lazybuild::registry
