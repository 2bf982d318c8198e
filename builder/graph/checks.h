// SPDX-License-Identifier: Apache-2.0
// Small checks of what instructions hold once it is expanded.
#pragma once

#include <string_view>

#include "base/result.h"

namespace lazybuild::graph {

/// A signal that STOPSIGNAL may name: a number, or a name with or without "SIG".
bool is_signal(std::string_view text);

/// --chmod: octal up to 07777, or symbolic ("u=rwX,go=rX").
/// Errors: invalid_argument.
Result<void> check_permissions(std::string_view text);

/// A name that sounds like a secret's: one of its '_'-separated parts is "password", "token" and
/// the like, and none is "public", "file" or "version".
bool sounds_secret(std::string_view name);

/// One of the proxy settings that every RUN gets without an ARG; in upper or lower case.
bool is_proxy_argument(std::string_view name);

/// A name of a build argument that means something to the builder without any ARG.
bool is_builder_argument(std::string_view name);

}  // namespace lazybuild::graph
