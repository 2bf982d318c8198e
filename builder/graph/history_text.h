// SPDX-License-Identifier: Apache-2.0
// How BuildKit writes values into an image's history: as Go's fmt package prints them ("%q", "%v",
// durations). Tools compare these texts, so they are kept to the letter.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "builder/graph/image_settings.h"

namespace lazybuild::graph {

/// %q: quoted, with what cannot be printed escaped.
std::string quoted_word(std::string_view text);
/// %q of a list: ["/bin/sh" "-c"].
std::string quoted_list(const std::vector<std::string>& words);
/// %v of a list: [80/tcp 443/tcp].
std::string plain_list(const std::vector<std::string>& words);
/// time.Duration: "0s", "1m30s", "1.5s", "500ms".
std::string duration_text(std::int64_t nanoseconds);
/// %+v of a health check: {Test:[CMD true] Interval:30s …}.
std::string health_text(const Health& health);

}  // namespace lazybuild::graph
