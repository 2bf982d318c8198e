// SPDX-License-Identifier: Apache-2.0
// lazybuild inspect REF: what an image is made of, and which of its layers can be served lazily.
#pragma once

#include <string>

#include "builder/cli/process_console.h"
#include "builder/image/session.h"

namespace lazybuild::cli {

struct InspectArgs {
    std::string image;
    std::string platform;  ///< "": the host's
    bool toc = false;      ///< the files of each layer with an index too
    bool json = false;
    image::RegistryFlags registry;
};

/// Prints the report; failed when anything of it could not be read.
ExitCode run(const InspectArgs& args, image::Console& console);

}  // namespace lazybuild::cli
