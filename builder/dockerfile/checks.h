// SPDX-License-Identifier: Apache-2.0
// The build checks that need nothing but the file (check_rules.h has them all).
#pragma once

#include <vector>

#include "builder/dockerfile/check_rules.h"
#include "builder/dockerfile/instructions.h"

namespace lazybuild::dockerfile {

/// In the order of the file, whatever is switched off: pass them through wanted_findings().
std::vector<Finding> check(const Dockerfile& file);

}  // namespace lazybuild::dockerfile
