// SPDX-License-Identifier: Apache-2.0
// Text from outside on a terminal. What an image prints may hold escape sequences that move the
// cursor, change titles or answer as if somebody had typed: none of it gets through.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lazybuild::cli {

/// `text` without escape sequences and control characters, tabs as blanks, broken UTF-8 as '?'.
std::string printable(std::string_view text);
/// Columns that printable text takes.
std::size_t columns_of(std::string_view text);
/// The beginning of printable text that takes at most `columns_max`; "…" stands for what is cut.
std::string cut_to(std::string_view text, std::size_t columns_max);

}  // namespace lazybuild::cli
