// SPDX-License-Identifier: Apache-2.0
// Where a request goes: http and https URLs, and the origin (scheme, host, port) that connections,
// certificates and credentials belong to. What is not http(s), or carries a user name, is refused.
//
// Source: RFC 3986; RFC 6454 for what an origin is.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "snapshotter/registry/reference.h"

namespace lazybuild::registry {

inline constexpr std::size_t kUrlBytesMax = 16 << 10;

struct Origin {
    bool tls = true;
    std::string host;  ///< lower case; IPv6 without brackets
    std::uint16_t port = 443;

    /// What the Host field says: "[::1]:5000"; the scheme's own port is left out.
    std::string authority() const;
    std::string text() const { return (tls ? "https://" : "http://") + authority(); }
    auto operator<=>(const Origin&) const = default;
};

struct Url {
    Origin origin;
    std::string target = "/";  ///< path and query, as the request line says them

    std::string text() const { return origin.text() + target; }
    /// For messages and logs: without the query, where signatures and tokens are.
    std::string redacted() const;
    /// The same with `key`=`value` added to the query; both are percent-encoded.
    Url with_query(std::string_view key, std::string_view value) const;
    bool operator==(const Url&) const = default;
};

/// An absolute http or https URL. Errors: bad_message; the message does not quote the query.
Result<Url> parse_url(std::string_view text);

/// A Location field: absolute, or relative to `base`. Errors as for parse_url.
Result<Url> resolve_url(const Url& base, std::string_view location);

/// Where a registry named `host` listens; docker.io is registry-1.docker.io.
/// Errors: invalid_argument for what is no host[:port].
Result<Origin> registry_origin(std::string_view host, bool tls);

/// Everything but letters, digits and "-._~" as %XX.
std::string percent_encode(std::string_view text);

}  // namespace lazybuild::registry
