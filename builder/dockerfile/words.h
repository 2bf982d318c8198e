// SPDX-License-Identifier: Apache-2.0
// The forms in which instructions take their arguments: words that quotes group, JSON arrays,
// durations.
//
// Source: the Dockerfile reference, "Shell and exec form", ENV, LABEL, HEALTHCHECK.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/instructions.h"

namespace lazybuild::dockerfile {

/// Splits at blanks outside quotes; quotes and escapes stay, for the expander.
std::vector<std::string> split_quoted(std::string_view text, char escape);

/// "name=value …", or "name rest of the line". `keyword` is for messages.
/// Errors: invalid_argument.
Result<std::vector<NamedWord>> parse_named_words(std::string_view text, std::string_view keyword,
                                                 char escape);

/// "name", "name=value", several of them. Errors: invalid_argument.
Result<std::vector<ArgDeclaration>> parse_arguments(std::string_view text, char escape);

struct JsonWords {
    bool is_json = false;  ///< else it is no JSON array, whatever it is
    std::vector<std::string> words;
};
/// Errors: invalid_argument for an array with something else than strings in it.
Result<JsonWords> parse_json_words(std::string_view text);

/// Go's durations: "1h30m", "-1.5s", "300ms", "0". Errors: invalid_argument.
Result<std::chrono::nanoseconds> parse_duration(std::string_view text);

}  // namespace lazybuild::dockerfile
