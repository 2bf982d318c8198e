// SPDX-License-Identifier: Apache-2.0
// What a build tells other programs about its result: --metadata-file and --iidfile, with the names
// that buildx uses.
#pragma once

#include <string>

#include "builder/cli/build.h"

namespace lazybuild::cli {

/// One JSON object. The image is that of the first output that made one.
std::string metadata_json(const BuildResult& result);

/// The files that `args` names, each whole or not at all.
Result<void> write_metadata(const BuildArgs& args, const BuildResult& result);

}  // namespace lazybuild::cli
