// SPDX-License-Identifier: Apache-2.0
// The JSON that a registry client meets besides manifests: error bodies, token answers, docker's
// config.json and what credential helpers print. One file, because nlohmann's header is slow to
// compile. Errors never quote what they were parsed from: it may hold secrets.
//
// Sources: OCI distribution-spec v1.1 "Error Codes"; Docker registry token authentication;
// docker/cli config file; containers-auth.json(5); docker-credential-helpers protocol.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "snapshotter/registry/credential.h"

namespace lazybuild::registry {

inline constexpr std::size_t kConfigBytesMax = 1 << 20;
inline constexpr std::size_t kHelperOutputBytesMax = 64 << 10;
inline constexpr std::size_t kTokenAnswerBytesMax = 256 << 10;

/// "NAME_UNKNOWN: repository name not known to registry", the first of an error body; else the
/// body's first line if it is short text; else empty. Control characters are replaced.
std::string error_text(ByteView body);

struct TokenAnswer {
    std::string token;
    std::chrono::seconds lifetime{60};  ///< expires_in, or the specification's default
};
/// Errors: bad_message.
Result<TokenAnswer> parse_token_answer(ByteView body);

struct DockerConfig {
    std::map<std::string, Credential> credentials;  ///< `auths`, by the key as written
    std::map<std::string, std::string> helpers;     ///< `credHelpers`: host to helper name
    std::string default_helper;                     ///< `credsStore`, or empty
};
/// Entries that are malformed are left out; they must not hide the good ones.
/// Errors: bad_message when the text is not a JSON object.
Result<DockerConfig> parse_docker_config(std::string_view text);

/// What `docker-credential-X get` prints. Errors: bad_message.
Result<Credential> parse_helper_answer(std::string_view text);

}  // namespace lazybuild::registry
