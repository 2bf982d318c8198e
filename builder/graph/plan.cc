// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/plan.h"

#include <algorithm>
#include <set>
#include <utility>

#include "builder/dockerfile/run_mount.h"
#include "builder/dockerfile/text.h"
#include "builder/graph/checks.h"
#include "builder/graph/from_checks.h"
#include "builder/graph/located.h"
#include "builder/graph/plan_outline.h"
#include "builder/graph/stage_planner.h"

namespace lazybuild::graph {
namespace {

// One entry for each image, with its config if anybody needs it.
class MissingImages {
  public:
    explicit MissingImages(const Planning& planning) : planning_(planning) {}

    void need(const std::string& place, const codec::Platform& platform, bool config_needed) {
        if (planning_.find_image(place, platform, config_needed) == nullptr) {
            bool& config = images_[{place, platform}];
            config = config || config_needed;
        }
    }

    std::vector<ImageWanted> take() const {
        std::vector<ImageWanted> result;
        for (const auto& [image, config] : images_) {
            result.push_back(
                {.place = image.first, .platform = image.second, .config_needed = config});
        }
        return result;
    }

  private:
    const Planning& planning_;
    std::map<std::pair<std::string, codec::Platform>, bool> images_;
};

// The targets of --target, --save-stages and the like.
Result<std::vector<std::uint32_t>> wanted_stages(const StageTable& stages,
                                                 const PlanOptions& options) {
    std::vector<std::uint32_t> wanted;
    TRY(const std::uint32_t target, stages.find_target(options.target));
    wanted.push_back(target);
    for (const std::string& name : options.stages_to_keep) {
        TRY(const std::uint32_t stage, stages.find_target(name));
        wanted.push_back(stage);
    }
    if (options.all_stages) {
        for (const StageNode& node : stages.nodes()) {
            wanted.push_back(node.index);
        }
    }
    return wanted;
}

// The triggers that `node` begins with, when they are known: of its base stage or base image.
std::optional<std::vector<std::string>> triggers_of(const Planning& planning,
                                                    const StageNode& node) {
    if (node.replaced) {
        return std::vector<std::string>{};
    }
    if (node.base.kind == Place::Kind::stage) {
        const StageNode& base = planning.stages.nodes()[node.base.stage];
        return base.replaced ? std::vector<std::string>{} : StageTable::triggers_in(*base.written);
    }
    if (node.base.kind == Place::Kind::image) {
        const KnownImage* image =
            planning.find_image(node.base.name, planning.stages.platform_of(node), true);
        return image == nullptr ? std::nullopt : std::optional(image->settings.onbuild);
    }
    return std::vector<std::string>{};
}

// Triggers may need further stages, whose bases may have triggers.
Result<void> find_needed_stages(Planning& planning, const std::vector<std::uint32_t>& wanted) {
    for (bool changed = true; changed;) {
        changed = false;
        for (const std::uint32_t stage : wanted) {
            planning.stages.mark_needed(stage);
        }
        for (StageNode& node : planning.stages.nodes()) {
            if (!node.needed || node.triggers_known) {
                continue;
            }
            if (const auto triggers = triggers_of(planning, node)) {
                CHECK_OK(planning.stages.add_triggers(node, *triggers));
                changed = changed || !triggers->empty();
            }
        }
    }
    return {};
}

// The names in an instruction's --from and from=.
std::vector<std::string> names_in(const dockerfile::Instruction& instruction) {
    std::vector<std::string> names;
    if (const auto* copy = std::get_if<dockerfile::Copy>(&instruction.what)) {
        names.push_back(copy->from);
    } else if (const auto* run = std::get_if<dockerfile::Run>(&instruction.what)) {
        for (const dockerfile::Word& mount : run->mounts) {
            names.push_back(dockerfile::mount_from(mount).value_or(""));
        }
    }
    std::erase(names, "");
    return names;
}

Result<std::vector<ImageWanted>> find_missing(const Planning& planning) {
    MissingImages missing(planning);
    for (const StageNode& node : planning.stages.nodes()) {
        if (!node.needed) {
            continue;
        }
        if (node.base.kind == Place::Kind::image) {
            missing.need(node.base.name, planning.stages.platform_of(node), true);
        }
        for (const dockerfile::Instruction* instruction : node.instructions()) {
            for (const std::string& name : names_in(*instruction)) {
                TRY(const Place place, planning.stages.find(name, node.index));
                if (place.kind == Place::Kind::image) {
                    missing.need(place.name, planning.options.target_platform, false);
                }
            }
        }
    }
    return missing.take();
}

// Build arguments that no ARG of the file declares and that mean nothing to the builder.
std::vector<std::string> unused_arguments(const Planning& planning) {
    std::set<std::string, std::less<>> declared = planning.globals.known;
    for (const StageNode& node : planning.stages.nodes()) {
        for (const dockerfile::Instruction* instruction : node.instructions()) {
            if (const auto* arg = std::get_if<dockerfile::Arg>(&instruction->what)) {
                for (const dockerfile::ArgDeclaration& argument : arg->arguments) {
                    declared.insert(argument.name);
                }
            }
        }
    }
    std::vector<std::string> unused;
    for (const auto& [name, value] : planning.options.build_arguments) {
        if (!declared.contains(name) && !is_builder_argument(name)) {
            unused.push_back(name);
        }
    }
    return unused;
}

std::optional<std::string> source_date_epoch(const Planning& planning) {
    constexpr const char* kName = "SOURCE_DATE_EPOCH";
    const auto given = planning.options.build_arguments.find(kName);
    const std::string* value = given == planning.options.build_arguments.end()
                                   ? planning.globals.variables.find(kName)
                                   : &given->second;
    return value == nullptr || value->empty() ? std::nullopt : std::optional(*value);
}

// What the command line says about the result alone.
void finish_target(StageResult& target, const PlanOptions& options) {
    for (const auto& [name, value] : options.labels) {
        target.settings.labels[name] = value;
    }
    codec::Platform& platform = target.settings.platform;
    if (options.platform_requested) {
        const codec::Platform& wanted = options.target_platform;
        const bool same = platform.os == wanted.os && platform.architecture == wanted.architecture;
        // An image's variant stands where the command line says none.
        const std::string variant =
            same && wanted.variant.empty() ? platform.variant : wanted.variant;
        const std::string version =
            same && wanted.os_version.empty() ? platform.os_version : wanted.os_version;
        platform = wanted;
        platform.variant = variant;
        platform.os_version = version;
    }
    platform = platform.normalised();
}

StageResult result_of(const StageNode& node, const StageState& state) {
    StageResult result;
    result.name = node.written->from.name;
    result.index = node.index;
    result.result = state.files;
    result.settings = state.settings;
    result.layer_steps = state.layer_steps;
    result.base_name = node.base_name;
    if (!node.replaced && node.base.kind == Place::Kind::stage) {
        result.base_stage = node.base.stage;
    }
    return result;
}

}  // namespace

Result<Planned> plan(const dockerfile::Dockerfile& file, const PlanOptions& options,
                     const Images& images) {
    std::vector<dockerfile::Finding> warnings;
    warn_of_defaults(file, options, warnings);
    TRY(GlobalScope globals, global_scope(file, options));
    TRY(StageTable stages, StageTable::make(file, options, globals, warnings));
    Planning planning{.file = file,
                      .options = options,
                      .images = images,
                      .globals = std::move(globals),
                      .stages = std::move(stages),
                      .steps = {},
                      .results = {},
                      .warnings = std::move(warnings),
                      .size_bytes = 0};
    TRY(const std::vector<std::uint32_t> wanted, wanted_stages(planning.stages, options));
    CHECK_OK(find_needed_stages(planning, wanted));
    Planned planned;
    TRY(planned.missing, find_missing(planning));
    if (!planned.missing.empty()) {
        return planned;
    }
    for (const StageNode& node : planning.stages.nodes()) {
        if (!node.needed) {
            continue;
        }
        TRY(StageState state, StagePlanner(planning, node).run());
        if (node.index == wanted.front()) {
            planned.plan.target = planned.plan.stages.size();
        }
        planned.plan.stages.push_back(result_of(node, state));
        planning.results.emplace(node.index, std::move(state));
    }
    planned.plan.outline = outline_of(planning, planning.stages.nodes()[wanted.front()]);
    finish_target(planned.plan.stages[planned.plan.target], options);
    planned.plan.unused_build_arguments = unused_arguments(planning);
    planned.plan.source_date_epoch = source_date_epoch(planning);
    planned.plan.steps = std::move(planning.steps).take();
    planned.plan.warnings = std::move(planning.warnings);
    return planned;
}

}  // namespace lazybuild::graph
