// SPDX-License-Identifier: Apache-2.0
// lazybuild verify REF: whether every digest of an image holds, from its manifest down to the last
// chunk of its lazy layers; if not, what does not and where.
#pragma once

#include <string>

#include "builder/cli/console.h"
#include "builder/cli/session.h"

namespace lazybuild::cli {

struct VerifyArgs {
    std::string image;
    std::string platform;  ///< "": the host's
    bool json = false;
    RegistryFlags registry;
};

/// failed when anything does not hold, or could not be read.
ExitCode run(const VerifyArgs& args, Console& console);

}  // namespace lazybuild::cli
