// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/wire_json.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "snapshotter/registry/base64.h"
#include "snapshotter/registry/text.h"

namespace lazybuild::registry {
namespace {

using nlohmann::json;

// nullopt for anything but an object.
std::optional<json> parse_object(std::string_view text) {
    json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!document.is_object()) {
        return std::nullopt;
    }
    return document;
}

// The string member `key` of an object, or empty.
std::string text_member(const json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_string()) {
        return {};
    }
    return found->get<std::string>();
}

std::string first_error(const json& document) {
    const auto errors = document.find("errors");
    if (errors == document.end() || !errors->is_array() || errors->empty() ||
        !errors->front().is_object()) {
        // Token services say {"details": …} or {"error": …, "error_description": …}.
        for (const char* key : {"details", "error_description", "message", "error"}) {
            if (std::string text = text_member(document, key); !text.empty()) {
                return text;
            }
        }
        return {};
    }
    const std::string code = text_member(errors->front(), "code");
    const std::string message = text_member(errors->front(), "message");
    return code.empty() || message.empty() ? code + message : code + ": " + message;
}

std::optional<Credential> parse_auth_entry(const json& entry) {
    if (!entry.is_object()) {
        return std::nullopt;
    }
    Credential credential{.user_name = text_member(entry, "username"),
                          .password = text_member(entry, "password"),
                          .identity_token = text_member(entry, "identitytoken")};
    if (const auto pair = base64_decode(text_member(entry, "auth")); pair && !pair->empty()) {
        const std::size_t colon = pair->find(':');
        if (colon == std::string::npos) {
            return std::nullopt;
        }
        credential.user_name = pair->substr(0, colon);
        credential.password = pair->substr(colon + 1);
        // docker pads the decoded text with NULs.
        credential.password.erase(
            std::min(credential.password.find('\0'), credential.password.size()));
    }
    if (credential.empty()) {
        return std::nullopt;
    }
    return credential;
}

}  // namespace

std::string error_text(ByteView body) {
    const std::string_view text = as_text(body);
    if (const auto document = parse_object(text)) {
        return printable_line(first_error(*document));
    }
    // A proxy's HTML page tells nobody anything; a short line of text does.
    const bool is_markup = text.find('<') != std::string_view::npos;
    return is_markup ? std::string{} : printable_line(text);
}

Result<TokenAnswer> parse_token_answer(ByteView body) {
    const auto document = parse_object(as_text(body));
    if (!document) {
        return fail(corrupt("the token service's answer is not a JSON object"));
    }
    TokenAnswer answer;
    answer.token = text_member(*document, "token");
    if (answer.token.empty()) {
        answer.token = text_member(*document, "access_token");
    }
    if (answer.token.empty()) {
        return fail(corrupt("the token service's answer has no token"));
    }
    const auto lifetime = document->find("expires_in");
    if (lifetime != document->end() && lifetime->is_number_integer()) {
        // Below the default is what old services send in error; above a day nobody means.
        constexpr std::int64_t kSecondsMax = 86'400;
        const std::int64_t seconds = lifetime->get<std::int64_t>();
        answer.lifetime = std::chrono::seconds(
            std::clamp<std::int64_t>(seconds, answer.lifetime.count(), kSecondsMax));
    }
    return answer;
}

Result<DockerConfig> parse_docker_config(std::string_view text) {
    const auto document = parse_object(text);
    if (!document) {
        return fail(corrupt("it is not a JSON object"));
    }
    DockerConfig config;
    config.default_helper = text_member(*document, "credsStore");
    const auto auths = document->find("auths");
    if (auths != document->end() && auths->is_object()) {
        for (const auto& [key, entry] : auths->items()) {
            if (auto credential = parse_auth_entry(entry)) {
                config.credentials.emplace(key, *std::move(credential));
            }
        }
    }
    const auto helpers = document->find("credHelpers");
    if (helpers != document->end() && helpers->is_object()) {
        for (const auto& [key, name] : helpers->items()) {
            if (name.is_string()) {
                config.helpers.emplace(key, name.get<std::string>());
            }
        }
    }
    return config;
}

Result<Credential> parse_helper_answer(std::string_view text) {
    const auto document = parse_object(text);
    if (!document) {
        return fail(corrupt("its answer is not a JSON object"));
    }
    const std::string user_name = text_member(*document, "Username");
    const std::string secret = text_member(*document, "Secret");
    if (secret.empty()) {
        return fail(corrupt("its answer has no Secret"));
    }
    if (user_name == "<token>") {
        return Credential{.user_name = {}, .password = {}, .identity_token = secret};
    }
    return Credential{.user_name = user_name, .password = secret, .identity_token = {}};
}

}  // namespace lazybuild::registry
