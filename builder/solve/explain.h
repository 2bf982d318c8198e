// SPDX-License-Identifier: Apache-2.0
// What became of each step of a build and why, for people: --explain, `cache explain`, reports.
// Threads: any.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "builder/graph/step.h"

namespace lazybuild::solve {

enum class StepOutcome : std::uint8_t {
    cached,    ///< found in the store
    imported,  ///< found in a cache
    ran,       ///< or has failed
    missed,    ///< in a dry run: it would run
    unknown,   ///< in a dry run: that depends on what a step makes that would run
};

struct StepExplanation {
    graph::StepId step = 0;
    std::string text;   ///< with its place: "[build 2/5] RUN make"
    std::string stage;  ///< its name, or its number
    dockerfile::Lines lines;
    StepOutcome outcome = StepOutcome::ran;
    std::string cache;  ///< imported: as the user named it
    std::string why;    ///< one sentence or a few; "" when it was found
};

/// A line for each step, and one more with the reason of those that were not found ("as above"
/// where it is that of the one before). Printable.
///
///   cached    [build 1/3] WORKDIR /src
///   ran       [build 2/3] COPY . .
///             src/main.c changed
std::string explanation_text(std::span<const StepExplanation> steps);

}  // namespace lazybuild::solve
