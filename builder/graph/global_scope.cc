// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/global_scope.h"

#include <utility>

#include "builder/graph/located.h"

namespace lazybuild::graph {
namespace {

void set_automatic(GlobalScope& scope, const dockerfile::Dockerfile& file,
                   const PlanOptions& options) {
    std::string target = options.target;
    if (target.empty() && !file.stages.empty()) {
        target = file.stages.back().from.name;
    }
    const codec::Platform& build = options.build_platform;
    const codec::Platform& wanted = options.target_platform;
    const std::pair<std::string_view, std::string> automatic[] = {
        {"BUILDPLATFORM", build.text()},
        {"BUILDOS", build.os},
        {"BUILDOSVERSION", build.os_version},
        {"BUILDARCH", build.architecture},
        {"BUILDVARIANT", build.variant},
        {"TARGETPLATFORM", wanted.text()},
        {"TARGETOS", wanted.os},
        {"TARGETOSVERSION", wanted.os_version},
        {"TARGETARCH", wanted.architecture},
        {"TARGETVARIANT", wanted.variant},
        {"TARGETSTAGE", target.empty() ? "default" : target},
    };
    for (const auto& [name, value] : automatic) {
        const auto given = options.build_arguments.find(std::string(name));
        scope.variables.set(name, given == options.build_arguments.end() ? value : given->second);
        scope.known.emplace(name);
    }
}

Result<void> declare(GlobalScope& scope, const dockerfile::ArgDeclaration& argument,
                     const std::map<std::string, std::string>& given, char escape) {
    GlobalArgument& declared = scope.declared[argument.name];
    scope.known.insert(argument.name);
    declared.value.reset();
    if (const auto known = given.find(argument.name); known != given.end()) {
        declared.value = known->second;
    } else if (argument.value) {
        TRY(dockerfile::Expansion value,
            dockerfile::expand(*argument.value, lookup_in(scope.variables), escape));
        // One that is made of its own earlier value needs what that one needed.
        if (value.used.erase(argument.name) == 0) {
            declared.needs.clear();
        }
        declared.needs.merge(value.used);
        declared.value = std::move(value.text);
    }
    if (declared.value) {
        scope.variables.set(argument.name, *declared.value);
    }
    return {};
}

}  // namespace

dockerfile::Lookup lookup_in(const Variables& variables) {
    return [&variables](std::string_view name) -> std::optional<std::string> {
        const std::string* value = variables.find(name);
        return value == nullptr ? std::nullopt : std::optional(*value);
    };
}

Result<GlobalScope> global_scope(const dockerfile::Dockerfile& file, const PlanOptions& options,
                                 bool defaults_only) {
    GlobalScope scope;
    set_automatic(scope, file, options);
    const std::map<std::string, std::string> none;
    const auto& given = defaults_only ? none : options.build_arguments;
    for (const dockerfile::Instruction& instruction : file.global_arguments) {
        const auto* declaration = std::get_if<dockerfile::Arg>(&instruction.what);
        if (declaration == nullptr) {
            continue;
        }
        for (const dockerfile::ArgDeclaration& argument : declaration->arguments) {
            CHECK_OK(located(file, instruction.lines,
                             declare(scope, argument, given, file.directives.escape)));
            GlobalArgument& declared = scope.declared[argument.name];
            declared.lines = instruction.lines;
            declared.description = description_of(argument.name, instruction.comments);
        }
    }
    return scope;
}

std::string description_of(std::string_view name, const std::vector<std::string>& comments) {
    for (const std::string& comment : comments) {
        if (!name.empty() && comment.size() > name.size() && comment.starts_with(name) &&
            comment[name.size()] == ' ') {
            return comment.substr(name.size() + 1);
        }
    }
    return "";
}

}  // namespace lazybuild::graph
