// SPDX-License-Identifier: Apache-2.0
// Progress for programs: one JSON object a line, with BuildKit's SolveStatus as its shape
// (vertexes, statuses, logs, warnings). Bytes are base64.
#pragma once

#include <memory>

#include "builder/cli/build_log.h"
#include "builder/image/console.h"

namespace lazybuild::cli {

/// `console` outlives it.
std::unique_ptr<Display> rawjson_display(image::Console& console);

}  // namespace lazybuild::cli
