// SPDX-License-Identifier: Apache-2.0
// "%20" in parts of URLs. Source: RFC 3986, 2.1.
#pragma once

#include <string>
#include <string_view>

namespace lazybuild::graph {

/// What is no "%XX" stays. In queries a '+' is a blank.
std::string percent_decoded(std::string_view text, bool plus_is_blank);

}  // namespace lazybuild::graph
