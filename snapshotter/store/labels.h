// SPDX-License-Identifier: Apache-2.0
// Labels as the database keeps them: one JSON object of strings, keys sorted.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "snapshotter/store/records.h"

namespace lazybuild::store {

/// Bytes that are not UTF-8 are replaced, because JSON cannot say them.
std::string labels_to_json(const Labels& labels);
/// Errors: bad_message.
Result<Labels> labels_from_json(std::string_view json);

}  // namespace lazybuild::store
