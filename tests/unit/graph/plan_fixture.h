// SPDX-License-Identifier: Apache-2.0
// Plans of Dockerfiles in tests: text in, the plan out, against a few images that are known.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "builder/dockerfile/parser.h"
#include "builder/graph/plan.h"
#include "codec/sha256.h"

namespace lazybuild::graph::testing {

inline const codec::Platform kAmd64{
    .os = "linux", .architecture = "amd64", .variant = {}, .os_version = {}};
inline const codec::Platform kArm64{
    .os = "linux", .architecture = "arm64", .variant = {}, .os_version = {}};
inline const std::string kPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct Case {
    std::string text;
    PlanOptions options;
    /// By normalised name: what the image's config says. Every image that is asked for is known;
    /// one that is not here has one layer and an empty config.
    std::map<std::string, ImageSettings> images;
    std::map<std::string, std::size_t> layers;  ///< of images that have not one
    std::map<std::string, codec::Platform> platforms;

    explicit Case(std::string_view dockerfile) : text(dockerfile) {
        options.build_platform = kAmd64;
        options.target_platform = kAmd64;
    }
};

inline KnownImage known_image(const Case& given, const ImageWanted& wanted) {
    KnownImage image;
    image.name = wanted.place;
    image.manifest = codec::sha256(as_bytes(wanted.place));
    image.platform = wanted.platform;
    if (const auto platform = given.platforms.find(wanted.place);
        platform != given.platforms.end()) {
        image.platform = platform->second;
    }
    if (const auto settings = given.images.find(wanted.place); settings != given.images.end()) {
        image.settings = settings->second;
    }
    image.settings.platform = image.platform;
    const auto layers = given.layers.find(wanted.place);
    image.layers = layers == given.layers.end() ? 1 : layers->second;
    return image;
}

/// Answers what is missing until the plan is complete.
inline Result<Plan> try_plan(const Case& given) {
    TRY(const dockerfile::Dockerfile file, dockerfile::parse(given.text, "Dockerfile"));
    Images images;
    for (int round = 0; round < 20; ++round) {
        TRY(Planned planned, plan(file, given.options, images));
        if (planned.missing.empty()) {
            return std::move(planned.plan);
        }
        for (const ImageWanted& wanted : planned.missing) {
            images.emplace(wanted, known_image(given, wanted));
        }
    }
    return fail(invalid("the plan is never complete"));
}

inline Plan plan_of(const Case& given) {
    auto plan = try_plan(given);
    EXPECT_TRUE(plan.has_value()) << plan.error().message;
    return plan ? *std::move(plan) : Plan{};
}
inline Plan plan_of(std::string_view text) {
    return plan_of(Case(text));
}

/// The first line of the message.
inline std::string error_of(const Case& given) {
    const auto plan = try_plan(given);
    if (plan) {
        return "no error";
    }
    return plan.error().message.substr(0, plan.error().message.find('\n'));
}
inline std::string error_of(std::string_view text) {
    return error_of(Case(text));
}

inline const StageResult& target_of(const Plan& plan) {
    return plan.stages.at(plan.target);
}

inline std::vector<std::string> texts_of(const Plan& plan) {
    std::vector<std::string> texts;
    for (const Step& step : plan.steps) {
        texts.push_back(step.text);
    }
    return texts;
}

inline std::vector<std::string> history_of(const Plan& plan) {
    std::vector<std::string> lines;
    for (const History& entry : target_of(plan).settings.history) {
        lines.push_back(entry.created_by + (entry.empty_layer ? "" : " [layer]"));
    }
    return lines;
}

/// "Rule: message" of each.
inline std::vector<std::string> warnings_of(const Plan& plan) {
    std::vector<std::string> lines;
    for (const dockerfile::Finding& warning : plan.warnings) {
        lines.push_back(warning.rule + ": " + warning.message);
    }
    return lines;
}

/// The only, or the last, step of a kind.
template <class What>
const What& last_step(const Plan& plan) {
    for (std::size_t i = plan.steps.size(); i-- > 0;) {
        if (const auto* what = std::get_if<What>(&plan.steps[i].what)) {
            return *what;
        }
    }
    static const What kNone{};
    ADD_FAILURE() << "no such step";
    return kNone;
}

using Lines = std::vector<std::string>;

}  // namespace lazybuild::graph::testing
