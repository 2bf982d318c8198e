// SPDX-License-Identifier: Apache-2.0
// `lazybuild diff A B`: two images, file by file.
#pragma once

#include <string>

#include "builder/cli/process_console.h"
#include "builder/image/session.h"

namespace lazybuild::cli {

struct DiffArgs {
    std::string before;  ///< any place, or the name of an image that builds have kept
    std::string after;
    std::string platform;  ///< of indexes; "" for the host's
    bool json = false;
    bool ignore_times = false;
    std::string root = "/var/lib/lazybuild";  ///< where builds keep images
    image::RegistryFlags registry;
};

/// One line on stdout for each file that differs: "+ path", "- path", "~ path mode 0644 → 0755".
ExitCode run(const DiffArgs& args, image::Console& console);

}  // namespace lazybuild::cli
