// SPDX-License-Identifier: Apache-2.0
// Base64 as HTTP Basic and docker's config.json use it. Source: RFC 4648 section 4.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lazybuild::registry {

std::string base64_encode(std::string_view bytes);

/// nullopt for anything but canonical base64; its '=' padding may be missing.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace lazybuild::registry
