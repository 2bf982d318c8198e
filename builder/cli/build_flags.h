// SPDX-License-Identifier: Apache-2.0
// The command line of `lazybuild build`, and of `lazybuild cache explain`, which takes the same.
#pragma once

#include <CLI/CLI.hpp>

#include "builder/cli/cmd_build.h"

namespace lazybuild::cli {

/// The options that every command which talks to registries has.
void add_registry_flags(CLI::App& command, image::RegistryFlags& flags);

/// `args` outlives `app`.
CLI::App* add_build(CLI::App& app, BuildArgs& args);

/// `cache explain`, below `cache`; as add_build.
CLI::App* add_explain(CLI::App& cache, BuildArgs& args);

}  // namespace lazybuild::cli
