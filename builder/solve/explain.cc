// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/explain.h"

#include <fmt/format.h>

#include <string_view>

#include "builder/image/work.h"

namespace lazybuild::solve {
namespace {

std::string_view word_of(StepOutcome outcome) {
    switch (outcome) {
        case StepOutcome::cached: return "cached";
        case StepOutcome::imported: return "imported";
        case StepOutcome::ran: return "ran";
        case StepOutcome::missed: return "would run";
        case StepOutcome::unknown: break;
    }
    return "unknown";
}

}  // namespace

std::string explanation_text(std::span<const StepExplanation> steps) {
    std::string text;
    std::string_view told;  // the reason that stands above
    for (const StepExplanation& step : steps) {
        text += fmt::format("{:<9} {}", word_of(step.outcome), image::printable(step.text));
        if (!step.cache.empty()) {
            text += fmt::format(" (from {})", image::printable(step.cache));
        }
        text += '\n';
        if (!step.why.empty()) {
            text += fmt::format("{:<9} {}\n", "",
                                step.why == told ? "as above" : image::printable(step.why));
            told = step.why;
        }
    }
    return text;
}

}  // namespace lazybuild::solve
