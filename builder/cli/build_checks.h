// SPDX-License-Identifier: Apache-2.0
// What is said about a Dockerfile besides building it: a frontend that it asks for, the build
// checks, and how `--check` prints them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/check_rules.h"
#include "builder/dockerfile/ignore.h"
#include "builder/dockerfile/instructions.h"
#include "builder/graph/plan.h"

namespace lazybuild::cli {

/// Whether the frontend that the file, or BUILDKIT_SYNTAX, asks for is what is built in here: any
/// docker/dockerfile. A remark for one that is newer. Errors: not_supported, naming it.
Result<std::optional<std::string>> check_syntax(
    const std::string& source, const std::map<std::string, std::string>& build_arguments);

struct Checked {
    std::vector<dockerfile::Finding> findings;
    bool is_error = false;  ///< the file wants findings to fail the build
};
struct CheckInput {
    const dockerfile::Dockerfile& file;
    const graph::Plan& plan;
    const dockerfile::IgnorePatterns& ignored;  ///< of the main context
    const std::map<std::string, std::string>& build_arguments;
};
/// Every check that is not switched off. Errors: invalid_argument for what switches them.
Result<Checked> check_dockerfile(const CheckInput& input);

/// As `docker build --check` prints it.
std::string findings_text(const dockerfile::Dockerfile& file, const Checked& checked);
std::string findings_json(const dockerfile::Dockerfile& file, const Checked& checked);

}  // namespace lazybuild::cli
