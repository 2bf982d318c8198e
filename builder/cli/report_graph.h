// SPDX-License-Identifier: Apache-2.0
// The pictures of a report, as SVG that stands in the page.
#pragma once

#include <string>
#include <string_view>

#include "builder/cli/build_report.h"

namespace lazybuild::cli {

/// Steps as boxes, a lane for each stage, from left to right by what they need.
std::string stage_graph(const ReportInput& input);
/// A bar for each task that took any time worth showing.
std::string timeline(const ReportInput& input);

/// "done", "cached", "failed", "cancelled": of the page's style.
std::string_view outcome_class(solve::Outcome outcome);
/// For people.
std::string_view outcome_name(solve::Outcome outcome);

}  // namespace lazybuild::cli
