// SPDX-License-Identifier: Apache-2.0
// Times as an eStargz table of contents writes them. (RFC 3339, as Go's time.RFC3339 reads it.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lazybuild::codec {

/// "2026-01-02T03:04:05Z", also with a fraction (dropped: the second that has begun) or with an
/// offset from UTC, as seconds since 1970. Errors: bad_message for anything else.
Result<std::int64_t> parse_rfc3339(std::string_view text);

/// The same in UTC. RFC 3339 knows the years 0 to 9999; what lies outside becomes the nearest
/// second inside.
std::string format_rfc3339(std::int64_t time_s);

}  // namespace lazybuild::codec
