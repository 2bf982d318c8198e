// SPDX-License-Identifier: Apache-2.0
// Asks a docker-credential-NAME program for a credential: the server on its stdin, JSON on its
// stdout. The program is a stranger: its name is checked, its output limited, and it is killed with
// all its children when it takes too long.
//
// Source: docker/docker-credential-helpers, "Development".
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/result.h"
#include "snapshotter/registry/credential.h"

namespace lazybuild::registry {

/// Blocks for up to `timeout`: call it on a pool thread. nullopt: the helper has no credential for
/// `server`. Errors: invalid_argument (a name that is no plain word), timed_out, bad_message, or
/// the errno of starting it. Messages never hold what the helper printed on success.
Result<std::optional<Credential>> ask_credential_helper(const std::string& name,
                                                        const std::string& server,
                                                        std::chrono::milliseconds timeout);

}  // namespace lazybuild::registry
