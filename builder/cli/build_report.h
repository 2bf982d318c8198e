// SPDX-License-Identifier: Apache-2.0
// --report: one HTML page about a build, with nothing outside of itself and no script in it: which
// steps there were and what they took from each other, when each ran, what was cached and why not,
// what was fetched and from which layer.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "builder/cli/build_log.h"

namespace lazybuild::cli {

struct ReportInput {
    std::string title;  ///< "app:1"
    std::vector<TaskRecord> tasks;
    std::vector<std::string> warnings;
    solve::Time began, ended;
    std::string error;                 ///< "" for a build that came through
    std::vector<std::string> results;  ///< "sha256:… docker.io/library/app:1"
};

std::string report_html(const ReportInput& input);

/// `text` as it may stand in HTML, in attributes too; what HTML has no character for is '?'.
std::string html_escape(std::string_view text);

}  // namespace lazybuild::cli
