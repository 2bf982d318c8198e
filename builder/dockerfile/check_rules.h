// SPDX-License-Identifier: Apache-2.0
// The build checks: rules that a Dockerfile should follow though it builds without, and what is
// said where it does not. BuildKit's names and words.
//
// Rules that need nothing but the file are applied by checks.h. Those that need values of
// variables or images are applied where stages are planned, with the findings made here:
// UndefinedVar, UndefinedArgInFrom, InvalidDefaultArgInFrom, InvalidBaseImagePlatform,
// WorkdirRelativePath, CopyIgnoredFile, and the rules of EXPOSE for words with variables.
//
// Source: the Dockerfile reference, "Build checks", of BuildKit's frontend 1.26.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/directives.h"
#include "builder/dockerfile/instructions.h"

namespace lazybuild::dockerfile {

struct CheckRule {
    std::string_view name;
    std::string_view description;
    bool experimental = false;  ///< only applied when asked for
};
/// All 22, in the reference's order.
std::span<const CheckRule> check_rules();

struct Finding {
    std::string rule;
    std::string message;
    Lines lines;
};

/// `nearest` is what the name may have been meant to be; "" for nothing (nearest_option in text.h).
Finding undefined_variable(std::string_view name, std::string_view nearest, Lines lines);
Finding undefined_argument_in_from(std::string_view name, std::string_view nearest, Lines lines);
/// `base` as written: with defaults alone it is empty or no name of an image.
Finding invalid_default_argument_in_from(std::string_view base, Lines lines);
struct PlatformPair {
    std::string_view expected, actual;
};
Finding invalid_base_image_platform(std::string_view image, const PlatformPair& platforms,
                                    Lines lines);
/// A relative path while the stage and what it is built from have no absolute WORKDIR.
Finding relative_workdir(std::string_view path, Lines lines);
/// Only said when the ignore file has no exceptions.
Finding copy_ignored_file(bool add, std::string_view path, Lines lines);
/// What the rules say of one word of EXPOSE, expanded: "127.0.0.1:80:80/TCP".
std::vector<Finding> check_port(std::string_view port, Lines lines);
/// The name of an ARG or ENV that looks like a secret's. `instruction` is "ARG" or "ENV".
std::optional<Finding> check_secret_name(std::string_view instruction, std::string_view name,
                                         Lines lines);

/// What the file's directive says, or `build_argument` (BUILDKIT_DOCKERFILE_CHECK) instead of it.
/// Errors: invalid_argument, with the place.
Result<CheckOptions> check_options(const Dockerfile& file,
                                   std::optional<std::string_view> build_argument);

/// Without those that the options, or comments above their instructions, switch off; each once.
std::vector<Finding> wanted_findings(std::vector<Finding> findings, const Dockerfile& file,
                                     const CheckOptions& options);

/// "UndefinedVar: Usage of undefined variable '$x' (line 3)"
std::string text_of(const Finding& finding);
/// For options with `error`: "lint violation found for rules: A, B".
std::string violation(std::span<const Finding> findings);

}  // namespace lazybuild::dockerfile
