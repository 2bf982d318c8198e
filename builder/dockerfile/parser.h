// SPDX-License-Identifier: Apache-2.0
// From the text of a Dockerfile to its stages and instructions. Nothing is expanded or resolved.
// Untrusted input: everything has a limit, and nothing takes longer than a few passes over it.
//
// Source: the Dockerfile reference as BuildKit's frontend 1.26 implements it; its messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "builder/dockerfile/instructions.h"

namespace lazybuild::dockerfile {

inline constexpr std::size_t kDockerfileBytesMax = 16 << 20;
inline constexpr std::size_t kStagesMax = 1000;
inline constexpr std::size_t kInstructionsMax = 100'000;

/// `name` is what messages call the file. Errors: invalid_argument with lines and excerpt
/// (excerpt.h); argument_out_of_domain past a limit.
Result<Dockerfile> parse(std::string_view source, std::string name);

/// One instruction alone, heredocs included: what an image says with ONBUILD. Its lines are those
/// of `text`. Errors: invalid_argument without a place, also for FROM, ONBUILD and MAINTAINER.
Result<Instruction> parse_instruction(std::string_view text, char escape = '\\');

}  // namespace lazybuild::dockerfile
