// SPDX-License-Identifier: Apache-2.0
// Sources of COPY and ADD as text. Source: the Dockerfile reference, "COPY", "ADD".
#pragma once

#include <string>
#include <string_view>

namespace lazybuild::graph {

/// A pattern that matches `path` alone, whatever characters are in it.
std::string literal_pattern(std::string_view path);

/// Clean and relative to the root, as CopySource wants it; "../x" is "x". With `parents` a "/./"
/// stays in it.
std::string clean_pattern(std::string_view source, bool parents);

/// http or https: ADD fetches it.
bool is_url(std::string_view source);

/// What a file from `url` is called: the last element of its path, or "__unnamed__".
std::string file_name_of_url(std::string_view url);

/// "1000" or "1000:1000": nothing that has to be looked up.
bool is_numeric_owner(std::string_view owner);

}  // namespace lazybuild::graph
