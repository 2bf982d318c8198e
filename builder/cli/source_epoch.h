// SPDX-License-Identifier: Apache-2.0
// SOURCE_DATE_EPOCH that says whose time it is: a context's ("context" or a name), or that of the
// one remote file or repository in a stage on scratch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "builder/cli/build_contexts.h"
#include "builder/graph/plan.h"

namespace lazybuild::cli {

/// Seconds since 1970; nullopt for what is no whole number.
std::optional<std::int64_t> parse_epoch(const std::string& text);

/// The time of what the stage `name` of `plan` ADDs: of the commit, or Last-Modified. Fetches it.
/// Errors: invalid_argument for a stage that has something else in it, or when there is no time;
/// those of fetching.
Result<std::int64_t> epoch_of_stage(const graph::Plan& plan, const std::string& name,
                                    BuildContexts& contexts);

}  // namespace lazybuild::cli
