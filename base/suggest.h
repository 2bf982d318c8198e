// SPDX-License-Identifier: Apache-2.0
// "did you mean": the nearest of what could have been meant.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lazybuild {

/// Levenshtein's: insertions, deletions and replacements of bytes. Time and memory grow with the
/// product of the lengths: callers limit them.
std::size_t edit_distance(std::string_view from, std::string_view to);

/// The candidate that needs the fewest edits to become `typed`; "" when none is near.
std::string nearest(std::string_view typed, const std::vector<std::string>& candidates);

}  // namespace lazybuild
