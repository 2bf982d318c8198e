// SPDX-License-Identifier: Apache-2.0
// The patterns of ${name#pattern}, ${name%pattern} and ${name/pattern/replacement}: '*' is any run
// of characters, '?' any one, "\*", "\?" and "\\" are themselves, everything else too (there are no
// bracket classes).
//
// Matching never backtracks over more than one '*', and has a budget: a pattern that would take too
// long is an Error, not a wait.
//
// Source: the Dockerfile reference, "Environment replacement"; POSIX.1 XCU 2.6.2 and 2.13.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lazybuild::dockerfile {

enum class Reach : std::uint8_t { shortest, longest };

/// `value` without what `pattern` matches at its beginning, or at its end; unchanged when it does
/// not. Errors: invalid_argument for the pattern; argument_out_of_domain past the budget.
Result<std::string> remove_prefix(std::string_view value, std::string_view pattern, Reach reach);
Result<std::string> remove_suffix(std::string_view value, std::string_view pattern, Reach reach);

enum class Occurrences : std::uint8_t { first, all };

/// `value` with the longest match of `pattern` (from the left) replaced, literally.
/// Errors: as above; argument_out_of_domain when the result would be longer than `bytes_max`.
Result<std::string> replace_matches(std::string_view value, std::string_view pattern,
                                    std::string_view replacement, Occurrences occurrences,
                                    std::size_t bytes_max);

}  // namespace lazybuild::dockerfile
