// SPDX-License-Identifier: Apache-2.0
// `lazybuild images` and `lazybuild rmi`: the images that builds have kept.
#pragma once

#include <string>
#include <vector>

#include "builder/cli/process_console.h"

namespace lazybuild::cli {

struct ImagesArgs {
    std::vector<std::string> filters;  ///< "label=NAME" or "label=NAME=VALUE"; all must hold
    bool json = false;
    std::string root = "/var/lib/lazybuild";
};

struct RemoveImagesArgs {
    std::vector<std::string> names;  ///< or digests: all names of that image
    std::string root = "/var/lib/lazybuild";
};

/// A line for each name, or with `json` one array.
ExitCode run(const ImagesArgs& args, image::Console& console);
/// Names go; blobs are `cache prune`'s. failed when one of them is not there.
ExitCode run(const RemoveImagesArgs& args, image::Console& console);

}  // namespace lazybuild::cli
