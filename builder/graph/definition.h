// SPDX-License-Identifier: Apache-2.0
// What a step says, as text: everything that can change its result, and nothing else. Of its inputs
// only their order is in it; what they are, the solver adds.
//
//   schema=1
//   step=run
//   arg 0=/bin/sh
//   env PATH=/usr/bin:/bin
//
// One field a line, "name=value", in a fixed order, so that two definitions can be compared line by
// line to say why a step is not the one that ran before. In values '\' is "\\", a line end "\n".
//
// Not in it: proxies, extra hosts, the values of secrets, names of stages and contexts, texts,
// lines, ignore_cache, who shares a cache mount, and its id where that is its target.
#pragma once

#include <string>

#include "builder/graph/step.h"

namespace lazybuild::graph {

/// Raised whenever equal definitions would no longer mean equal results.
inline constexpr int kDefinitionSchema = 1;

/// Of one step: equal texts, equal results of equal inputs.
std::string definition(const Step& step);

}  // namespace lazybuild::graph
