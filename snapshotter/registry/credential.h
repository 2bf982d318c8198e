// SPDX-License-Identifier: Apache-2.0
// Who we are to a registry.
#pragma once

#include <string>

namespace lazybuild::registry {

/// A user name and its password, or an identity token, which is exchanged for access tokens (the
/// user name is then of no meaning).
struct Credential {
    std::string user_name;
    std::string password;
    std::string identity_token;

    bool empty() const { return user_name.empty() && identity_token.empty(); }
    bool operator==(const Credential&) const = default;
};

}  // namespace lazybuild::registry
