// SPDX-License-Identifier: Apache-2.0
// From a Dockerfile and what the command line says to the steps that its target needs. Pure: what
// it has to know about images is asked for, and it is called again with the answers.
//
//   graph::Images images;
//   for (;;) {
//       TRY(graph::Planned planned, graph::plan(file, options, images));
//       if (planned.missing.empty()) break;            // planned.plan is complete
//       resolve planned.missing into images …
//   }
//
// Threads: any; like all of this room it keeps nothing and touches nothing but its arguments.
//
// Source: the Dockerfile reference; docs/builder.md for what differs from BuildKit.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/check_rules.h"
#include "builder/dockerfile/instructions.h"
#include "builder/graph/image_settings.h"
#include "builder/graph/outline.h"
#include "builder/graph/step.h"

namespace lazybuild::graph {

/// --build-context NAME=…, already told apart; the main context is named "context".
struct NamedContext {
    enum class Kind : std::uint8_t {
        files,
        image
    };  ///< files: a ContextStep (directory, tar, git, http)
    Kind kind = Kind::files;
    std::string place;  ///< image: what image::ImagePlace::parse takes
};

struct PlanOptions {
    std::string target;              ///< "" for the last stage; name or number
    codec::Platform build_platform;  ///< of this machine
    codec::Platform target_platform;
    bool platform_requested = false;  ///< --platform was given
    bool multi_platform = false;      ///< several --platform: progress texts name it
    std::map<std::string, std::string> build_arguments;
    std::map<std::string, NamedContext> contexts;
    std::map<std::string, std::string> labels;  ///< --label
    bool no_cache = false;
    std::vector<std::string> no_cache_stages;  ///< --no-cache-filter
    std::string network = "default";           ///< --network: of RUN without the flag
    std::vector<std::string>
        stages_to_keep;       ///< also planned, though the target does not need them
    bool all_stages = false;  ///< --skip-unused-stages=false
};

/// An image that has to be known.
struct ImageWanted {
    std::string place;  ///< as ImageStep
    codec::Platform platform;
    bool config_needed = false;  ///< a FROM: its settings go on
    auto operator<=>(const ImageWanted&) const = default;
};
struct KnownImage {
    std::string name;  ///< normalised
    codec::Digest manifest;
    codec::Platform platform;
    ImageSettings settings;  ///< of its config
    std::size_t layers = 0;
};
using Images = std::map<ImageWanted, KnownImage>;

using Warning = dockerfile::Finding;

struct StageResult {
    std::string name;  ///< "" when it has none
    std::uint32_t index = 0;
    StepId result = 0;       ///< its file system
    ImageSettings settings;  ///< its image's config, history included
    /// For each history entry that has a layer, from the stage's own first one: the step that made
    /// it.
    std::vector<StepId> layer_steps;
    std::string base_name;  ///< as written, expanded
    std::optional<std::uint32_t> base_stage;
};

struct Plan {
    std::vector<Step> steps;          ///< those that are needed, in an order in which they can run
    std::vector<StageResult> stages;  ///< those that are needed, in the file's order
    std::size_t target = 0;           ///< index into stages
    /// Of the build checks that need values or images; dockerfile::check() has the others, and
    /// dockerfile::wanted_findings() those that are asked for.
    std::vector<Warning> warnings;
    std::vector<std::string> unused_build_arguments;
    Outline outline;                               ///< of the target: what --call=outline shows
    std::optional<std::string> source_date_epoch;  ///< as ARG or build-arg gave it
};

struct Planned {
    std::vector<ImageWanted> missing;  ///< not empty: `plan` is not complete
    Plan plan;
};

/// Errors: invalid_argument with the lines of the file in the message (dockerfile/excerpt.h).
Result<Planned> plan(const dockerfile::Dockerfile& file, const PlanOptions& options,
                     const Images& images);

}  // namespace lazybuild::graph
