// SPDX-License-Identifier: Apache-2.0
// What can be said about a build without building: the arguments, secrets and ssh agents that a
// target takes (--call=outline), and which targets a file has (--call=targets). As BuildKit's
// subrequests of these names show them.
#pragma once

#include <string>
#include <vector>

#include "builder/dockerfile/instructions.h"

namespace lazybuild::graph {

struct OutlineArgument {
    std::string name;
    std::string value;        ///< its default, or what the command line gave
    std::string description;  ///< from "# NAME DESCRIPTION" above it
    dockerfile::Lines lines;
};

/// A secret or an ssh agent that a RUN asks for.
struct OutlineSecret {
    std::string id;
    bool required = false;
    dockerfile::Lines lines;
};

/// Of a target and all the stages that it needs; sorted by line.
struct Outline {
    std::string name;
    std::string description;
    std::vector<OutlineArgument> arguments;
    std::vector<OutlineSecret> secrets;
    std::vector<OutlineSecret> agents;
};

struct Target {
    std::string name;  ///< as written; "" for none
    std::string description;
    std::string base;      ///< as written
    std::string platform;  ///< as written
    bool is_default = false;
    dockerfile::Lines lines;
};

/// The stages that --target can name, in the order of the file.
std::vector<Target> targets(const dockerfile::Dockerfile& file);

/// Tables for people.
std::string outline_text(const Outline& outline);
std::string targets_text(const std::vector<Target>& targets);

/// JSON, indented, with a line end.
std::string outline_json(const Outline& outline);
std::string targets_json(const std::vector<Target>& targets);

}  // namespace lazybuild::graph
