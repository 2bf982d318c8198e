// SPDX-License-Identifier: Apache-2.0
// The outline of a target, once the stages that it needs are planned.
#pragma once

#include "builder/graph/outline.h"
#include "builder/graph/stage_planner.h"

namespace lazybuild::graph {

/// What `target` and the stages below it declare and ask for. All of them are planned.
Outline outline_of(const Planning& planning, const StageNode& target);

}  // namespace lazybuild::graph
