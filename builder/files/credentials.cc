// SPDX-License-Identifier: Apache-2.0
#include "builder/files/credentials.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "snapshotter/registry/base64.h"

namespace lazybuild::files {
namespace {

struct Name {
    std::string id;
    bool token = false;
};

// The first of `names` that there is.
Result<std::optional<std::pair<Name, std::string>>> find(const SecretReader& secrets,
                                                         const std::vector<Name>& names) {
    if (!secrets) {
        return std::nullopt;
    }
    for (const Name& name : names) {
        TRY(std::optional<std::string> value, secrets(name.id));
        if (!value) {
            continue;
        }
        // Files end with a newline, and most tokens come from files.
        value->resize(value->find_last_not_of(" \t\r\n") + 1);
        const bool plain = std::ranges::none_of(
            *value, [](unsigned char letter) { return letter < 0x20 || letter == 0x7f; });
        if (value->empty() || !plain) {
            return fail(invalid(fmt::format(
                "secret {}: want one line of text, as the Authorization field has it", name.id)));
        }
        return std::pair{name, *std::move(value)};
    }
    return std::nullopt;
}

std::vector<Name> names_for_host(const std::string& kind, const std::string& host) {
    std::vector<Name> names;
    for (const char separator : {'_', '.'}) {
        names.push_back({.id = fmt::format("{}_AUTH_HEADER{}{}", kind, separator, host)});
        names.push_back(
            {.id = fmt::format("{}_AUTH_TOKEN{}{}", kind, separator, host), .token = true});
    }
    return names;
}

}  // namespace

Result<Credential> http_credential(const SecretReader& secrets, const registry::Url& url) {
    Credential credential{.origin = url.origin, .authorization = {}, .secret = {}};
    TRY(auto found, find(secrets, names_for_host("HTTP", url.origin.authority())));
    if (found) {
        credential.authorization = found->first.token ? "Bearer " + found->second : found->second;
        credential.secret = std::move(found->second);
    }
    return credential;
}

Result<Credential> git_credential(const SecretReader& secrets, const std::string& remote) {
    const auto url = registry::parse_url(remote);
    if (!url) {
        return Credential{};
    }
    Credential credential{.origin = url->origin, .authorization = {}, .secret = {}};
    std::vector<Name> names = names_for_host("GIT", url->origin.authority());
    names.push_back({.id = "GIT_AUTH_HEADER"});
    names.push_back({.id = "GIT_AUTH_TOKEN", .token = true});
    TRY(auto found, find(secrets, names));
    if (found) {
        credential.authorization =
            found->first.token
                ? "basic " + registry::base64_encode("x-access-token:" + found->second)
                : found->second;
        credential.secret = std::move(found->second);
    }
    return credential;
}

std::string without_secrets(std::string text, const Credential& credential) {
    const std::size_t space = credential.authorization.find(' ');
    const std::string parameters =
        space == std::string::npos ? "" : credential.authorization.substr(space + 1);
    for (const std::string& secret : {credential.authorization, credential.secret, parameters}) {
        std::size_t found = secret.empty() ? std::string::npos : text.find(secret);
        while (found != std::string::npos) {
            text.replace(found, secret.size(), "***");
            found = text.find(secret, found + 3);
        }
    }
    return text;
}

}  // namespace lazybuild::files
