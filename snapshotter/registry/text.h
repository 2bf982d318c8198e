// SPDX-License-Identifier: Apache-2.0
// Small things about ASCII text, without the locale.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lazybuild::registry {

std::string lower_case(std::string_view text);

bool equal_ignoring_case(std::string_view a, std::string_view b);

/// The first line of what a stranger sent, at most `bytes_max` of it, without control characters:
/// fit for a terminal and a log.
std::string printable_line(std::string_view text, std::size_t bytes_max = 300);

}  // namespace lazybuild::registry
