// SPDX-License-Identifier: Apache-2.0
// One record of CSV, as flags that take several fields have it (RFC 4180): a field may stand in
// double quotes, where "" is one quote.
// Threads: any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lazybuild {

/// "a=1,\"b=2,3\"" → "a=1", "b=2,3"; "" is one empty field.
/// Errors: invalid_argument, naming `text`, for a quote that is not closed.
Result<std::vector<std::string>> split_fields(std::string_view text);

}  // namespace lazybuild
