// SPDX-License-Identifier: Apache-2.0
// Writing typed members back into the JSON that they were read from, for the oci_*.cc files.
// Members keep their places; what is empty now and was not there is not added.
#pragma once

#include <string>
#include <string_view>

#include "codec/json.h"

namespace lazybuild::codec {

/// `original` as an object; an empty one when it is "" (a value that was made here).
Json original_object(const std::string& original);

/// Sets `member`, or removes it when `value` is an empty string or map.
void set_text(Json& object, std::string_view member, const std::string& value);
void set_text_map(Json& object, std::string_view member, const StringMap& value);

}  // namespace lazybuild::codec
