// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/stage_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "builder/dockerfile/parser.h"
#include "builder/dockerfile/run_mount.h"
#include "builder/dockerfile/text.h"
#include "builder/graph/from_checks.h"
#include "builder/graph/located.h"

namespace lazybuild::graph {
namespace {

std::optional<std::uint32_t> stage_number(std::string_view text) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

// COPY --from is no place for variables: what it names decides which stages are built at all.
Result<void> check_from(std::string_view from, char escape) {
    auto plain = dockerfile::expand(
        from, [](std::string_view) { return std::optional<std::string>{}; }, escape);
    if (!plain || plain->text != from) {
        return fail(
            invalid("variable expansion is not supported for --from, define a new stage with FROM "
                    "using ARG from global scope as a workaround"));
    }
    return {};
}

}  // namespace

std::vector<const dockerfile::Instruction*> StageNode::instructions() const {
    std::vector<const dockerfile::Instruction*> result;
    if (replaced) {
        return result;
    }
    for (const dockerfile::Instruction& trigger : triggers) {
        result.push_back(&trigger);
    }
    for (const dockerfile::Instruction& instruction : written->instructions) {
        result.push_back(&instruction);
    }
    return result;
}

Result<StageTable> StageTable::make(const dockerfile::Dockerfile& file, const PlanOptions& options,
                                    const GlobalScope& globals,
                                    std::vector<dockerfile::Finding>& warnings) {
    if (file.stages.empty()) {
        return fail(invalid("dockerfile contains no stages to build"));
    }
    StageTable table(file, options);
    table.nodes_.reserve(file.stages.size());
    for (const dockerfile::Stage& stage : file.stages) {
        CHECK_OK(located(file, stage.lines, table.add(stage, globals, warnings)));
    }
    for (StageNode& node : table.nodes_) {
        if (node.replaced) {
            continue;
        }
        for (const dockerfile::Instruction& instruction : node.written->instructions) {
            CHECK_OK(located(file, instruction.lines, table.find_needs(node, instruction)));
        }
    }
    CHECK_OK(table.check_cycles());
    return table;
}

Result<void> StageTable::add(const dockerfile::Stage& stage, const GlobalScope& globals,
                             std::vector<dockerfile::Finding>& warnings) {
    StageNode node;
    node.written = &stage;
    node.index = static_cast<std::uint32_t>(nodes_.size());
    node.label = stage.from.name.empty() ? std::to_string(node.index) : stage.from.name;
    node.progress_name =
        stage.from.name.empty() ? fmt::format("stage-{}", node.index) : stage.from.name;
    const dockerfile::Lookup lookup = lookup_in(globals.variables);
    TRY(const dockerfile::Expansion base,
        dockerfile::expand(stage.from.base, lookup, file_->directives.escape));
    warn_of_undefined(stage, base, globals, warnings);
    if (base.text.empty()) {
        return fail(invalid(fmt::format("base name ({}) should not be blank", stage.from.base)));
    }
    node.base_name = base.text;
    node.used_arguments = base.used;
    if (!stage.from.platform.empty()) {
        TRY(const dockerfile::Expansion platform,
            dockerfile::expand(stage.from.platform, lookup, file_->directives.escape));
        warn_of_undefined(stage, platform, globals, warnings);
        node.used_arguments.insert(platform.used.begin(), platform.used.end());
        if (platform.text.empty()) {
            return fail(invalid(fmt::format("empty platform value from expression {}{}",
                                            stage.from.platform,
                                            did_you_mean(platform.undefined, globals))));
        }
        auto parsed = codec::Platform::parse(platform.text);
        if (!parsed) {
            return fail(std::move(parsed).error().context(
                fmt::format("failed to parse platform {}", stage.from.platform)));
        }
        node.platform = *std::move(parsed);
    }
    CHECK_OK(find_base(node));
    nodes_.push_back(std::move(node));
    return {};
}

Result<void> StageTable::find_base(StageNode& node) const {
    if (!node.written->from.name.empty()) {
        TRY(std::optional<Place> context, context_of_stage(*options_, node.written->from.name));
        if (context) {
            node.base = *std::move(context);
            node.replaced = true;
            return {};
        }
    }
    if (const auto stage = find_name(node.base_name, node.index)) {
        node.base =
            Place{.kind = Place::Kind::stage, .stage = *stage, .name = {}, .context_name = {}};
        return {};
    }
    auto place = find_place(*options_, node.base_name, platform_of(node));
    if (!place) {
        return fail(std::move(place).error().context(
            fmt::format("failed to parse stage name \"{}\"", node.base_name)));
    }
    node.base = *std::move(place);
    return {};
}

std::optional<std::uint32_t> StageTable::find_name(std::string_view name,
                                                   std::uint32_t before) const {
    const std::string wanted = dockerfile::lower_case(name);
    for (std::size_t i = std::min<std::size_t>(before, nodes_.size()); i-- > 0;) {
        if (nodes_[i].written->from.name == wanted && !wanted.empty()) {
            return static_cast<std::uint32_t>(i);
        }
    }
    return std::nullopt;
}

Result<Place> StageTable::find(std::string_view name, std::uint32_t user) const {
    auto stage = find_name(name, user);
    if (!stage) {
        stage = find_name(name, static_cast<std::uint32_t>(nodes_.size()));
    }
    if (const auto number = stage_number(name); !stage && number) {
        if (*number >= nodes_.size()) {
            return fail(invalid(fmt::format("invalid stage index {}", *number)));
        }
        stage = number;
    }
    if (stage) {
        return Place{.kind = Place::Kind::stage, .stage = *stage, .name = {}, .context_name = {}};
    }
    return find_place(*options_, name, options_->target_platform);
}

Result<void> StageTable::find_needs(StageNode& node, const dockerfile::Instruction& instruction) {
    std::vector<std::string> names;
    if (const auto* copy = std::get_if<dockerfile::Copy>(&instruction.what)) {
        if (!copy->from.empty()) {
            CHECK_OK(check_from(copy->from, file_->directives.escape));
            names.push_back(copy->from);
        }
    } else if (const auto* run = std::get_if<dockerfile::Run>(&instruction.what)) {
        takes_from_elsewhere_ = takes_from_elsewhere_ || !run->mounts.empty();
        for (const dockerfile::Word& mount : run->mounts) {
            TRY(std::string name, dockerfile::mount_from(mount));
            if (!name.empty()) {
                names.push_back(std::move(name));
            }
        }
    }
    for (const std::string& name : names) {
        TRY(const Place place, find(name, node.index));
        if (place.kind == Place::Kind::stage) {
            node.needs.push_back(place.stage);
        } else {
            takes_from_elsewhere_ = true;
        }
    }
    return {};
}

Result<void> StageTable::check_cycles() const {
    // Depth first without recursion: a file may have thousands of stages.
    enum class Mark : std::uint8_t { fresh, open, done };
    std::vector<Mark> marks(nodes_.size(), Mark::fresh);
    for (const StageNode& root : nodes_) {
        std::vector<std::pair<std::uint32_t, std::size_t>> path;
        if (marks[root.index] == Mark::fresh) {
            path.emplace_back(root.index, 0);
            marks[root.index] = Mark::open;
        }
        while (!path.empty()) {
            auto& [stage, edge] = path.back();
            if (edge == nodes_[stage].needs.size()) {
                marks[stage] = Mark::done;
                path.pop_back();
                continue;
            }
            const std::uint32_t next = nodes_[stage].needs[edge++];
            if (marks[next] == Mark::open) {
                return fail(dockerfile::located(
                    invalid(fmt::format("circular dependency detected on stage: {}",
                                        root.progress_name)),
                    *file_, root.written->lines));
            }
            if (marks[next] == Mark::fresh) {
                marks[next] = Mark::open;
                path.emplace_back(next, 0);
            }
        }
    }
    return {};
}

Result<std::uint32_t> StageTable::find_target(const std::string& target) const {
    if (target.empty()) {
        return static_cast<std::uint32_t>(nodes_.size() - 1);
    }
    if (const auto stage = find_name(target, static_cast<std::uint32_t>(nodes_.size()))) {
        return *stage;
    }
    if (const auto number = stage_number(target); number && *number < nodes_.size()) {
        return *number;
    }
    std::vector<std::string> names;
    for (const StageNode& node : nodes_) {
        if (!node.written->from.name.empty()) {
            names.push_back(node.written->from.name);
        }
    }
    return fail(invalid(fmt::format("target stage \"{}\" could not be found{}", target,
                                    dockerfile::did_you_mean(target, names, true))));
}

void StageTable::mark_needed(std::uint32_t stage) {
    std::vector<std::uint32_t> open = {stage};
    std::vector<bool> seen(nodes_.size());
    while (!open.empty()) {
        const std::uint32_t next = open.back();
        open.pop_back();
        if (seen[next]) {
            continue;
        }
        seen[next] = true;
        StageNode& node = nodes_[next];
        node.needed = true;
        open.insert(open.end(), node.needs.begin(), node.needs.end());
        if (!node.replaced && node.base.kind == Place::Kind::stage) {
            open.push_back(node.base.stage);
        }
    }
}

std::vector<std::string> StageTable::triggers_in(const dockerfile::Stage& stage) {
    std::vector<std::string> texts;
    for (const dockerfile::Instruction& instruction : stage.instructions) {
        if (const auto* onbuild = std::get_if<dockerfile::Onbuild>(&instruction.what)) {
            texts.push_back(onbuild->instruction);
        }
    }
    return texts;
}

Result<void> StageTable::add_triggers(StageNode& node, const std::vector<std::string>& texts) {
    node.triggers_known = true;
    const bool takes_from_elsewhere = takes_from_elsewhere_;
    for (const std::string& text : texts) {
        auto parsed = dockerfile::parse_instruction(text);
        if (!parsed) {
            return fail(dockerfile::located(std::move(parsed).error().context(fmt::format(
                                                "ONBUILD {} of {}", text, node.base_name)),
                                            *file_, node.written->lines));
        }
        parsed->lines = node.written->lines;
        CHECK_OK(located(*file_, node.written->lines, find_needs(node, *parsed)));
        node.triggers.push_back(*std::move(parsed));
    }
    takes_from_elsewhere_ = takes_from_elsewhere;  // triggers do not name stages
    return {};
}

codec::Platform StageTable::platform_of(const StageNode& node) const {
    return node.platform.value_or(options_->target_platform);
}

}  // namespace lazybuild::graph
