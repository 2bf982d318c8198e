// SPDX-License-Identifier: Apache-2.0
// "did you mean": the nearest of what could have been meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lazybuild {

/// The candidate that needs the fewest edits to become `typed`; "" when none is near.
std::string nearest(std::string_view typed, const std::vector<std::string>& candidates);

}  // namespace lazybuild
