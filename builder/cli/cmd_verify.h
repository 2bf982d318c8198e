// SPDX-License-Identifier: Apache-2.0
// lazybuild verify REF: whether every digest of an image holds, from its manifest down to the last
// chunk of its lazy layers; if not, what does not and where.
#pragma once

#include <string>

#include "builder/cli/process_console.h"
#include "builder/image/session.h"

namespace lazybuild::cli {

struct VerifyArgs {
    std::string image;
    std::string platform;  ///< "": the host's
    bool json = false;
    image::RegistryFlags registry;
};

/// failed when anything does not hold, or could not be read.
ExitCode run(const VerifyArgs& args, image::Console& console);

}  // namespace lazybuild::cli
