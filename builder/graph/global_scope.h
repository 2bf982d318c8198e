// SPDX-License-Identifier: Apache-2.0
// What stands before the first FROM: the variables that FROM lines may use, and that an ARG without
// a default takes its value from.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/expand.h"
#include "builder/dockerfile/instructions.h"
#include "builder/graph/plan.h"
#include "builder/graph/variables.h"

namespace lazybuild::graph {

/// dockerfile::expand over `variables`, which outlives it.
dockerfile::Lookup lookup_in(const Variables& variables);

/// An ARG before the first FROM, the last one of its name.
struct GlobalArgument {
    std::optional<std::string> value;
    std::string description;
    dockerfile::Lines lines;
    std::set<std::string, std::less<>> needs;  ///< arguments that its default was made of
};

struct GlobalScope {
    Variables variables;                       ///< those that have a value
    std::set<std::string, std::less<>> known;  ///< also ARGs without one
    std::map<std::string, GlobalArgument, std::less<>> declared;
};

/// What a comment above an instruction says of `name`: "# name DESCRIPTION"; "" for nothing.
std::string description_of(std::string_view name, const std::vector<std::string>& comments);

/// Automatic arguments (BUILDPLATFORM …, TARGETSTAGE) and global ARGs, in order. Build arguments
/// win over both unless `defaults_only`.
/// Errors: invalid_argument with the lines of the ARG.
Result<GlobalScope> global_scope(const dockerfile::Dockerfile& file, const PlanOptions& options,
                                 bool defaults_only = false);

}  // namespace lazybuild::graph
