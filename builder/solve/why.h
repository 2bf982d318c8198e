// SPDX-License-Identifier: Apache-2.0
// Why a step was not found: the difference to the record that is most like it, in words. Of the
// records of steps with the same text; were there none, of those that were done in the same place.
// Records may come from caches of others: what is quoted of them is printable. Values of variables
// whose names look like a secret's are never told.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "builder/solve/imported_records.h"

namespace lazybuild::solve {

/// A step that was looked for; see Record.
struct Missed {
    std::string text, definition;
    std::vector<std::string> files, input_names;
    /// "base", "source 0": the step that made that input what it is now.
    std::map<std::string, std::string> blame;
    /// Other instructions of this build: none of them has become this one.
    std::vector<std::string> other_texts;
    /// Caches that could not be asked what they have: ImportedRecords::without_texts().
    std::vector<std::string> silent_caches;
};

struct Why {
    std::string text;  ///< one sentence or a few
    /// All that has changed is what the step stands on or reads: the first such input, as in
    /// `blame`. "" when something of the step itself has.
    std::string from_below;
};

/// Candidates are records with the same text, and with the same base; the cache of those of the
/// store is "".
Why why_not_cached(const Missed& missed, const std::vector<ImportedRecord>& same_text,
                   const std::vector<ImportedRecord>& same_place);

}  // namespace lazybuild::solve
