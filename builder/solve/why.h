// SPDX-License-Identifier: Apache-2.0
// Why a step was not found: the difference to the record that is most like it.
#pragma once

#include <string>
#include <vector>

#include "builder/solve/records.h"

namespace lazybuild::solve {

/// One sentence or a few, from the key texts (key.h) and selected files of what was looked for and
/// of `candidates`, records with the same text.
std::string why_not_cached(const std::string& key_text, const std::vector<std::string>& files,
                           const std::vector<Record>& candidates);

}  // namespace lazybuild::solve
