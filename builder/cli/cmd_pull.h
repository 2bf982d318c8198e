// SPDX-License-Identifier: Apache-2.0
// lazybuild pull REF: an image into containerd, without its layers where the snapshotter can do
// without them.
#pragma once

#include <string>

#include "builder/cli/process_console.h"
#include "builder/image/session.h"

namespace lazybuild::cli {

struct PullArgs {
    std::string image;
    std::string platform;  ///< "": the host's
    std::string containerd = "/run/containerd/containerd.sock";
    std::string name_space = "default";
    std::string snapshotter = "lazy";
    image::RegistryFlags registry;
};

/// Prints the digest of what the image's name stands for.
ExitCode run(const PullArgs& args, image::Console& console);

}  // namespace lazybuild::cli
