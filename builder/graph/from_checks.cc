// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/from_checks.h"

#include "builder/dockerfile/text.h"
#include "builder/image/image_place.h"

namespace lazybuild::graph {
namespace {

std::vector<std::string> known_names(const GlobalScope& globals) {
    return {globals.known.begin(), globals.known.end()};
}

}  // namespace

void warn_of_undefined(const dockerfile::Stage& stage, const dockerfile::Expansion& expansion,
                       const GlobalScope& globals, std::vector<dockerfile::Finding>& warnings) {
    for (const std::string& name : expansion.undefined) {
        if (!globals.known.contains(name)) {
            warnings.push_back(dockerfile::undefined_argument_in_from(
                name, dockerfile::nearest_option(name, known_names(globals), true), stage.lines));
        }
    }
}

void warn_of_defaults(const dockerfile::Dockerfile& file, const PlanOptions& options,
                      std::vector<dockerfile::Finding>& warnings) {
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
                dockerfile::invalid_default_argument_in_from(stage.from.base, stage.lines));
        }
    }
}

void warn_of_base_platform(const dockerfile::Stage& stage, const std::string& base_name,
                           const codec::Platform& wanted, const codec::Platform& found,
                           std::vector<dockerfile::Finding>& warnings) {
    if (wanted.os == found.os && wanted.architecture == found.architecture) {
        return;
    }
    const std::string expected = wanted.normalised().text();
    const std::string actual = found.normalised().text();
    warnings.push_back(dockerfile::invalid_base_image_platform(
        base_name, {.expected = expected, .actual = actual}, stage.lines));
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
