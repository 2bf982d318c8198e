// SPDX-License-Identifier: Apache-2.0
// For expectations about messages: what they must contain, whatever else they say.
#pragma once

#include <string_view>

namespace lazybuild {

inline bool says(std::string_view text, std::string_view words) {
    return text.find(words) != std::string_view::npos;
}

}  // namespace lazybuild
