// SPDX-License-Identifier: Apache-2.0
// Which of a build's secrets a remote place wants to see: HTTP_AUTH_HEADER_<host> (the whole
// Authorization field) or HTTP_AUTH_TOKEN_<host> (a bearer token) for files; for repositories
// GIT_AUTH_HEADER_<host> or GIT_AUTH_TOKEN_<host> (a password), and both without a host, which are
// for every repository. Between name and host there may be a dot instead, as BuildKit has it. A
// host that listens on another port is "host:port", and is another one.
//
// Source: docker's "Build secrets", "Git authentication for remote contexts", and the Dockerfile
// reference, "ADD". Threads: any.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "snapshotter/registry/url.h"

namespace lazybuild::files {

/// The secret of that id, if there is one. Called from any thread.
using SecretReader = std::function<Result<std::optional<std::string>>(const std::string& id)>;

/// What an Authorization field says. For nobody but `origin`, and in no message.
struct Credential {
    registry::Origin origin;
    std::string authorization;  ///< "" for none
    std::string secret;         ///< that it was made of
};

/// `secrets` may be empty. Errors: invalid_argument for a secret that cannot be in a field; those
/// of reading it. None has a secret's value in it.
Result<Credential> http_credential(const SecretReader& secrets, const registry::Url& url);

/// The same for a repository. None for what is not http(s), and for a remote that has a user name.
Result<Credential> git_credential(const SecretReader& secrets, const std::string& remote);

/// `text` without what is secret of `credential`.
std::string without_secrets(std::string text, const Credential& credential);

}  // namespace lazybuild::files
