// SPDX-License-Identifier: Apache-2.0
// What a stage has come to after some of its instructions: files, config, variables. A stage that
// is built on another begins with what that one ended with.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "builder/graph/image_settings.h"
#include "builder/graph/plan.h"
#include "builder/graph/step.h"
#include "builder/graph/variables.h"

namespace lazybuild::graph {

/// An ARG of the stage, in the order of the file; one that is declared twice is here twice.
struct DeclaredArgument {
    std::string name;
    std::optional<std::string> value;
    std::string description;
    dockerfile::Lines lines;
    bool from_global_scope = false;  ///< it has no value of its own
};

struct StageState {
    StepId files = 0;
    ImageSettings settings;       ///< its environment is what is below, once all is done
    Variables image_environment;  ///< ENV alone
    codec::Platform platform;
    Variables environment;  ///< of RUN, and for expansion: ENV and ARG, the later one wins
    std::vector<DeclaredArgument> arguments;
    bool workdir_given = false;       ///< in this file, here or in a stage below
    std::vector<StepId> layer_steps;  ///< its own
    std::map<std::string, OutlineSecret> secrets, agents;  ///< by id; its own
};

}  // namespace lazybuild::graph
