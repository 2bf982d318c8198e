// SPDX-License-Identifier: Apache-2.0
// lazybuild copy SRC DST: an image as it is, so that its digests stay what they are.
#pragma once

#include <string>

#include "builder/cli/process_console.h"
#include "builder/image/session.h"

namespace lazybuild::cli {

struct CopyArgs {
    std::string source;
    std::string target;
    std::string platform;  ///< "": the image with all its platforms
    image::RegistryFlags registry;
};

/// Prints the digest of what was copied.
ExitCode run(const CopyArgs& args, image::Console& console);

}  // namespace lazybuild::cli
