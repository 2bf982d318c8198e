// SPDX-License-Identifier: Apache-2.0
// Variables, quotes and escapes of a Dockerfile's words: "$name", "${name:-word}" and the other
// modifiers, 'literal', "with $variables", \x.
//
// An unset variable is empty. What was looked up is said, so that callers can warn of it. Patterns
// and results have limits, nothing recurses deeper than kExpansionDepthMax.
//
// Source: the Dockerfile reference, "Environment replacement", as BuildKit's frontend 1.26 does it.
// All functions are pure; thread-safe when the Lookup is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace lazybuild::dockerfile {

inline constexpr std::size_t kExpandedBytesMax = 16 << 20;
inline constexpr int kExpansionDepthMax = 64;  ///< of "${a:-${b:-…}}"

/// The value of a variable; nullopt when it is not set.
using Lookup = std::function<std::optional<std::string>(std::string_view name)>;

struct Expansion {
    std::string text;
    std::set<std::string, std::less<>> used;       ///< looked up and set
    std::set<std::string, std::less<>> undefined;  ///< looked up and not set
};

/// One word: the result is one word, whatever blanks the values have.
/// Errors: invalid_argument, with `word` in it; argument_out_of_domain past the limits.
Result<Expansion> expand(std::string_view word, const Lookup& lookup, char escape = '\\');

/// The content of a heredoc of COPY or ADD: quotes are ordinary, the escape is '\' always.
Result<Expansion> expand_content(std::string_view content, const Lookup& lookup);

struct ExpandedWords {
    std::vector<std::string> words;
    std::set<std::string, std::less<>> used;
    std::set<std::string, std::less<>> undefined;
};

/// Expands and then splits at blanks that are not quoted: a value may hold several words (EXPOSE).
Result<ExpandedWords> expand_words(std::string_view text, const Lookup& lookup, char escape = '\\');

enum class Quoting : std::uint8_t { keep, remove };

/// Splits at blanks that are not quoted and expands nothing; "<< word" is one word. With
/// Quoting::keep quotes and escapes stay where they are. Nothing when quotes or braces do not
/// match: then the line is none of our business. For finding heredocs.
std::optional<std::vector<std::string>> shell_words(std::string_view line, Quoting quoting);

}  // namespace lazybuild::dockerfile
