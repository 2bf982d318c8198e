// SPDX-License-Identifier: Apache-2.0
// Build checks of FROM lines: they need the values of arguments.
//
// Source: docker's "Build checks" reference, the pages of the rules that are named.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "builder/dockerfile/expand.h"
#include "builder/dockerfile/instructions.h"
#include "builder/graph/global_scope.h"
#include "builder/graph/plan.h"

namespace lazybuild::graph {

/// UndefinedArgInFrom.
void warn_of_undefined(const dockerfile::Stage& stage, const dockerfile::Expansion& expansion,
                       const GlobalScope& globals, std::vector<dockerfile::Finding>& warnings);

/// InvalidDefaultArgInFrom: of every stage, with no build arguments at all.
void warn_of_defaults(const dockerfile::Dockerfile& file, const PlanOptions& options,
                      std::vector<dockerfile::Finding>& warnings);

/// InvalidBaseImagePlatform.
void warn_of_base_platform(const dockerfile::Stage& stage, const std::string& base_name,
                           const codec::Platform& wanted, const codec::Platform& found,
                           std::vector<dockerfile::Finding>& warnings);

/// " (did you mean X?)" for the first of `undefined` that is like a known argument, or "".
std::string did_you_mean(const std::set<std::string, std::less<>>& undefined,
                         const GlobalScope& globals);

}  // namespace lazybuild::graph
