// SPDX-License-Identifier: Apache-2.0
// The flags of `lazybuild build` that are about what a RUN finds: secrets, agents, hosts, limits.
#pragma once

#include <cstdint>
#include <string>

#include "builder/cli/cmd_build.h"
#include "builder/exec/options.h"

namespace lazybuild::cli {

/// "64m", "1g", "4096": bytes. Errors: invalid_argument.
Result<std::uint64_t> parse_size(const std::string& text);

/// Errors: invalid_argument, naming the flag.
Result<exec::RunnerOptions> read_run_options(const BuildArgs& args);

}  // namespace lazybuild::cli
