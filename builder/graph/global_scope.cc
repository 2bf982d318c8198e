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
    for (const dockerfile::Instruction& instruction : file.global_arguments) {
        const auto* declaration = std::get_if<dockerfile::Arg>(&instruction.what);
        if (declaration == nullptr) {
            continue;
        }
        for (const dockerfile::ArgDeclaration& argument : declaration->arguments) {
            scope.known.insert(argument.name);
            const auto given = options.build_arguments.find(argument.name);
            if (given != options.build_arguments.end() && !defaults_only) {
                scope.variables.set(argument.name, given->second);
            } else if (argument.value) {
                TRY(const dockerfile::Expansion value,
                    located(file, instruction.lines,
                            dockerfile::expand(*argument.value, lookup_in(scope.variables),
                                               file.directives.escape)));
                scope.variables.set(argument.name, value.text);
            }
        }
    }
    return scope;
}

}  // namespace lazybuild::graph
