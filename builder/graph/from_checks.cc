// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/from_checks.h"

#include <fmt/format.h>

#include "builder/dockerfile/text.h"
#include "builder/image/image_place.h"

namespace lazybuild::graph {
namespace {

std::vector<std::string> known_names(const GlobalScope& globals) {
    return {globals.known.begin(), globals.known.end()};
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

void warn_of_undefined(const dockerfile::Stage& stage, const dockerfile::Expansion& expansion,
                       const GlobalScope& globals, std::vector<Warning>& warnings) {
    for (const std::string& name : expansion.undefined) {
        if (globals.known.contains(name)) {
            continue;
        }
        warnings.push_back(
            {.rule = "UndefinedArgInFrom",
             .message = fmt::format("FROM argument '{}' is not declared{}", name,
                                    dockerfile::did_you_mean(name, known_names(globals), true)),
             .lines = stage.lines,
             .skipped_checks = stage.skipped_checks});
    }
}

void warn_of_platform(const dockerfile::Stage& stage, const dockerfile::Expansion& platform,
                      const GlobalScope& globals, std::vector<Warning>& warnings) {
    const std::string* target = globals.variables.find("TARGETPLATFORM");
    if (platform.used.size() == 1 && platform.undefined.empty() &&
        platform.used.contains("TARGETPLATFORM") && target != nullptr && platform.text == *target) {
        warnings.push_back(
            {.rule = "RedundantTargetPlatform",
             .message = fmt::format("Setting platform to predefined {} in FROM is redundant as "
                                    "this is the default behavior",
                                    stage.from.platform),
             .lines = stage.lines,
             .skipped_checks = stage.skipped_checks});
    }
    if (!platform.used.empty() || !platform.undefined.empty()) {
        return;
    }
    const auto parsed = codec::Platform::parse(platform.text);
    // A stage whose name says what platform it is for means it.
    if (!parsed || contains(stage.from.name, parsed->os) ||
        contains(stage.from.name, parsed->architecture)) {
        return;
    }
    warnings.push_back(
        {.rule = "FromPlatformFlagConstDisallowed",
         .message = fmt::format("FROM --platform flag should not use constant value \"{}\"",
                                platform.text),
         .lines = stage.lines,
         .skipped_checks = stage.skipped_checks});
}

void warn_of_defaults(const dockerfile::Dockerfile& file, const PlanOptions& options,
                      std::vector<Warning>& warnings) {
    const auto globals = global_scope(file, options, true);
    if (!globals) {
        return;  // planning fails with the same error, or build arguments avoid it
    }
    for (const dockerfile::Stage& stage : file.stages) {
        const auto base = dockerfile::expand(stage.from.base, lookup_in(globals->variables),
                                             file.directives.escape);
        if (!base) {
            return;
        }
        if (!image::ImagePlace::parse(base->text)) {
            warnings.push_back(
                {.rule = "InvalidDefaultArgInFrom",
                 .message = fmt::format("Default value for ARG {} results in empty or invalid base "
                                        "image name",
                                        stage.from.base),
                 .lines = stage.lines,
                 .skipped_checks = stage.skipped_checks});
        }
    }
}

void warn_of_base_platform(const dockerfile::Stage& stage, const std::string& base_name,
                           const codec::Platform& wanted, const codec::Platform& found,
                           std::vector<Warning>& warnings) {
    if (wanted.os == found.os && wanted.architecture == found.architecture) {
        return;
    }
    warnings.push_back(
        {.rule = "InvalidBaseImagePlatform",
         .message = fmt::format("Base image {} was pulled with platform \"{}\", "
                                "expected \"{}\" for current build",
                                base_name, found.normalised().text(), wanted.normalised().text()),
         .lines = stage.lines,
         .skipped_checks = stage.skipped_checks});
}

std::string did_you_mean(const std::set<std::string, std::less<>>& undefined,
                         const GlobalScope& globals) {
    for (const std::string& name : undefined) {
        std::string text = dockerfile::did_you_mean(name, known_names(globals), true);
        if (!text.empty()) {
            return text;
        }
    }
    return "";
}

}  // namespace lazybuild::graph
