// SPDX-License-Identifier: Apache-2.0
// What a 401 says about how to be let in, and what Retry-After says about when to come back.
//
// Source: RFC 9110 sections 11.6.1 (WWW-Authenticate) and 10.2.3 (Retry-After); Docker registry
// token authentication for the parameters realm, service and scope.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lazybuild::registry {

/// "Bearer realm=…,service=…,scope=…" or "Basic realm=…".
struct Challenge {
    enum class Scheme { basic, bearer };
    Scheme scheme = Scheme::basic;
    std::string realm;  ///< bearer: the URL of the token service
    std::string service;
    std::string scope;  ///< as sent: scopes separated by spaces

    bool operator==(const Challenge&) const = default;
};

/// The challenge to answer among all WWW-Authenticate fields of a response: the first Bearer with a
/// realm, else the first Basic. nullopt: none that we understand. Malformed text is skipped over.
std::optional<Challenge> choose_challenge(const std::vector<std::string_view>& fields);

/// Retry-After as a time to wait: seconds, or an HTTP date seen from `now`. Dates that are past
/// are zero. nullopt for anything else.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view text,
                                                      std::chrono::system_clock::time_point now);

}  // namespace lazybuild::registry
