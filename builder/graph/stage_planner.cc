// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/stage_planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "builder/dockerfile/text.h"
#include "builder/graph/from_checks.h"
#include "builder/graph/located.h"
#include "codec/lexical_path.h"

namespace lazybuild::graph {
namespace {

constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::string_view kHistoryComment = "buildkit.dockerfile.v0";

bool is_counted(const dockerfile::Instruction& instruction) {
    return std::holds_alternative<dockerfile::Run>(instruction.what) ||
           std::holds_alternative<dockerfile::Copy>(instruction.what) ||
           std::holds_alternative<dockerfile::Workdir>(instruction.what);
}

bool is_ignored(const PlanOptions& options, const StageNode& node) {
    return options.no_cache || std::ranges::any_of(options.no_cache_stages, [&](const auto& name) {
               return dockerfile::lower_case(name) == node.label;
           });
}

void sort_unique(std::vector<std::string>& names) {
    std::ranges::sort(names);
    const auto rest = std::ranges::unique(names);
    names.erase(rest.begin(), rest.end());
}

ImageSettings empty_settings(const codec::Platform& platform) {
    ImageSettings settings;
    settings.platform = platform;
    settings.working_directory = "/";
    return settings;
}

}  // namespace

StagePlanner::StagePlanner(Planning& planning, const StageNode& node)
    : planning_(planning), node_(node) {
    const auto instructions = node.instructions();
    total_ = static_cast<std::size_t>(std::ranges::count_if(
        instructions, [](const auto* instruction) { return is_counted(*instruction); }));
    if (node.base.kind == Place::Kind::image || node.base.kind == Place::Kind::context) {
        ++total_;
    }
}

Result<StageState> StagePlanner::run() {
    CHECK_OK(located(planning_.file, node_.written->lines, begin()));
    if (node_.replaced) {
        return std::move(state_);
    }
    inherit_settings();
    const auto instructions = node_.instructions();
    for (std::size_t i = 0; i < instructions.size(); ++i) {
        instruction_ = instructions[i];
        in_trigger_ = i < node_.triggers.size();
        CHECK_OK(located(planning_.file, instruction_->lines, carry_out(*instruction_)));
        CHECK_OK(located(planning_.file, instruction_->lines, planning_.charge(size_of_last())));
    }
    finish_settings();
    return std::move(state_);
}

Result<void> StagePlanner::begin() {
    state_.platform = planning_.stages.platform_of(node_);
    switch (node_.base.kind) {
        case Place::Kind::scratch:
            state_.files = planning_.no_files();
            state_.platform = planning_.options.target_platform;
            state_.settings = empty_settings(state_.platform);
            return {};
        case Place::Kind::stage: return begin_on_stage(planning_.results.at(node_.base.stage));
        case Place::Kind::context: return begin_on_context(node_.base.name);
        case Place::Kind::image: return begin_on_image(node_.base);
    }
    return {};
}

Result<void> StagePlanner::begin_on_image(const Place& place) {
    const PlanOptions& options = planning_.options;
    const KnownImage* image = planning_.find_image(place.name, state_.platform, true);
    ASSERT(image != nullptr);  // what is missing has been asked for
    const std::string digest =
        image->name.find('@') == std::string::npos ? "@" + image->manifest.text() : "";
    const std::string text =
        place.context_name.empty()
            ? counted(fmt::format("FROM {}{}", image->name, digest))
            : fmt::format("[context {}] {}", place.context_name, image->name + digest);
    state_.files =
        planning_.image_files(place.name, state_.platform, *image, text, node_.written->lines);
    state_.settings = image->settings;
    state_.settings.onbuild.clear();
    if (place.context_name.empty()) {
        warn_of_base_platform(*node_.written, node_.base_name, state_.platform, image->platform,
                              planning_.warnings);
    }
    // Nobody asked for a platform: the image's own is as good as any.
    if (!node_.platform && !options.platform_requested) {
        state_.platform = image->platform.normalised();
    }
    return {};
}

Result<void> StagePlanner::begin_on_context(const std::string& name) {
    const StepId context = planning_.context_files(name);
    Step step = make_step(node_.replaced ? fmt::format("[context {}]", name)
                                         : counted(fmt::format("FROM {}", name)));
    step.lines = node_.written->lines;
    CopyStep copy;
    copy.base = copy.onto = planning_.no_files();
    copy.sources.push_back({.from = context, .patterns = {""}, .unpack = false});
    copy.destination = "/";
    step.what = std::move(copy);
    state_.settings = empty_settings(state_.platform);
    add_layer(std::move(step), fmt::format("FROM {}", name));
    return {};
}

Result<void> StagePlanner::begin_on_stage(const StageState& base) {
    std::size_t size = 0;
    for (const History& entry : base.settings.history) {
        size += sizeof(entry) + entry.created_by.size();
    }
    CHECK_OK(planning_.charge(size));
    state_ = base;
    state_.layer_steps.clear();
    state_.settings.onbuild.clear();  // they have become this stage's first instructions
    state_.secrets.clear();
    state_.agents.clear();
    return {};
}

void StagePlanner::inherit_settings() {
    ImageSettings& settings = state_.settings;
    state_.image_environment = {};
    for (const std::string& line : settings.environment) {
        state_.image_environment.set_line(line);
    }
    if (state_.image_environment.find("PATH") == nullptr && state_.platform.os != "windows") {
        state_.image_environment.set("PATH", kDefaultPath);
    }
    for (const std::string& line : state_.image_environment.lines()) {
        state_.environment.set_line(line);
    }
    if (!settings.working_directory.empty() && !settings.working_directory.starts_with('/')) {
        settings.working_directory = "/" + settings.working_directory;
    }
}

void StagePlanner::finish_settings() {
    state_.settings.environment = state_.image_environment.lines();
    sort_unique(state_.settings.exposed_ports);
    sort_unique(state_.settings.volumes);
}

// What the last instruction added: history, and what a step holds of its own.
std::size_t StagePlanner::size_of_last() const {
    std::size_t size = sizeof(Step);
    if (!state_.settings.history.empty()) {
        size += state_.settings.history.back().created_by.size();
    }
    if (planning_.steps.steps().empty()) {
        return size;
    }
    const auto& what = planning_.steps.steps().back().what;
    if (const auto* run = std::get_if<RunStep>(&what)) {
        for (const std::string& line : run->environment) {
            size += line.size() + sizeof(line);
        }
    } else if (const auto* copy = std::get_if<CopyStep>(&what)) {
        for (const InlineFile& file : copy->inline_files) {
            size += file.content.size();
        }
    }
    return size;
}

Result<void> StagePlanner::carry_out(const dockerfile::Instruction& instruction) {
    return std::visit([this](const auto& what) { return carry_out(what); }, instruction.what);
}

Result<void> StagePlanner::carry_out(const dockerfile::Arg& arg) {
    const auto& given = planning_.options.build_arguments;
    std::string history = "ARG";
    for (const dockerfile::ArgDeclaration& declaration : arg.arguments) {
        DeclaredArgument argument{.name = declaration.name, .value = {}, .lines = {}};
        argument.lines = instruction_->lines;
        argument.description = description_of(declaration.name, instruction_->comments);
        if (const auto value = given.find(declaration.name); value != given.end()) {
            argument.value = value->second;
        } else if (declaration.value) {
            TRY(argument.value, expanded(*declaration.value));
        } else if (const auto* global = planning_.globals.variables.find(declaration.name)) {
            argument.value = *global;
            argument.from_global_scope = true;
        }
        history += " " + argument.name;
        if (argument.value) {
            history += "=" + *argument.value;
            // These are for who scans the result, not for what runs.
            if (argument.name != "BUILDKIT_SBOM_SCAN_CONTEXT" &&
                argument.name != "BUILDKIT_SBOM_SCAN_STAGE") {
                state_.environment.set(argument.name, *argument.value);
            }
        }
        state_.arguments.push_back(std::move(argument));
    }
    add_history(std::move(history));
    return {};
}

Result<void> StagePlanner::carry_out(const dockerfile::Workdir& workdir) {
    TRY(const std::string path, expanded(workdir.path));
    if (!state_.workdir_given && !path.starts_with('/')) {
        planning_.warnings.push_back(dockerfile::relative_workdir(path, instruction_->lines));
    }
    state_.workdir_given = true;
    std::string& current = state_.settings.working_directory;
    // An absolute one is kept as it is written: BuildKit's configs have "/app/", too.
    current = path.starts_with('/') ? path : absolute(path);
    const std::string clean = absolute(current);
    if (clean == "/") {
        add_history("WORKDIR " + current);
        return {};
    }
    Step step = make_step(counted(shown(instruction_->text)));
    step.what = DirectoryStep{.base = state_.files, .path = clean, .user = state_.settings.user};
    add_layer(std::move(step), "WORKDIR " + current);
    return {};
}

Result<std::string> StagePlanner::expanded(std::string_view word) {
    TRY(dockerfile::Expansion expansion,
        dockerfile::expand(word, lookup_in(state_.environment), planning_.file.directives.escape));
    warn_of_undefined(expansion.undefined);
    return std::move(expansion.text);
}

void StagePlanner::warn_of_undefined(const std::set<std::string, std::less<>>& undefined) {
    for (const std::string& name : undefined) {
        if (std::ranges::find(state_.arguments, name, &DeclaredArgument::name) !=
            state_.arguments.end()) {
            continue;
        }
        planning_.warnings.push_back(dockerfile::undefined_variable(
            name, dockerfile::nearest_option(name, state_.environment.names(), true),
            instruction_->lines));
    }
}

std::optional<StepId> StagePlanner::files_of(const Place& place) {
    switch (place.kind) {
        case Place::Kind::scratch: return planning_.no_files();
        case Place::Kind::context: return planning_.context_files(place.name);
        case Place::Kind::image: {
            const codec::Platform& platform = planning_.options.target_platform;
            const KnownImage* image = planning_.find_image(place.name, platform, false);
            ASSERT(image != nullptr);
            return planning_.image_files(place.name, platform, *image,
                                         fmt::format("FROM {}", image->name), instruction_->lines);
        }
        case Place::Kind::stage: break;
    }
    const auto stage = planning_.results.find(place.stage);
    if (place.stage >= node_.index || stage == planning_.results.end()) {
        return std::nullopt;
    }
    return stage->second.files;
}

std::string StagePlanner::counted(std::string_view text) {
    std::string result = "[" + platform_prefix();
    if (planning_.stages.names_stages()) {
        result += node_.progress_name + " ";
    }
    const std::size_t width = std::to_string(total_).size();
    return result + fmt::format("{:>{}}/{}] {}{}", ++counted_, width, total_,
                                in_trigger_ ? "ONBUILD " : "", text);
}

std::string StagePlanner::platform_prefix() const {
    if (!planning_.options.multi_platform) {
        return "";
    }
    std::string text = state_.platform.text();
    const auto value = [this](std::string_view name, const std::string& otherwise) {
        const std::string* found = state_.environment.find(name);
        return found == nullptr || found->empty() ? otherwise : *found;
    };
    codec::Platform target;
    if (const std::string* all = state_.environment.find("TARGETPLATFORM")) {
        target = codec::Platform::parse(*all).value_or(state_.platform);
    } else {
        target.os = value("TARGETOS", state_.platform.os);
        target.architecture = value("TARGETARCH", state_.platform.architecture);
        target.variant = value("TARGETVARIANT", "");
    }
    if (target.os != state_.platform.os) {
        text += "->" + target.normalised().text();
    } else if (target.architecture != state_.platform.architecture) {
        text += "->" + target.normalised().text().substr(target.os.size() + 1);
    }
    return text + " ";
}

std::string StagePlanner::shown(std::string_view text) const {
    const auto expansion =
        dockerfile::expand(text, lookup_in(state_.environment), planning_.file.directives.escape);
    const std::string result = expansion ? expansion->text : std::string(text);
    const std::size_t blank = std::min(result.find(' '), result.size());
    return dockerfile::upper_case(result.substr(0, blank)) + result.substr(blank);
}

void StagePlanner::add_history(std::string created_by, bool empty_layer) {
    state_.settings.history.push_back({.created = {},
                                       .created_by = std::move(created_by),
                                       .comment = std::string(kHistoryComment),
                                       .author = {},
                                       .empty_layer = empty_layer});
}

void StagePlanner::add_layer(Step step, std::string created_by) {
    state_.files = planning_.steps.add(std::move(step));
    state_.layer_steps.push_back(state_.files);
    add_history(std::move(created_by), false);
}

Step StagePlanner::make_step(std::string text) const {
    Step step;
    step.platform = state_.platform;
    step.stage = node_.label;
    step.text = std::move(text);
    step.lines = instruction_ == nullptr ? node_.written->lines : instruction_->lines;
    step.ignore_cache = is_ignored(planning_.options, node_);
    return step;
}

std::string StagePlanner::absolute(std::string_view path) const {
    const std::string joined = path.starts_with('/')
                                   ? std::string(path)
                                   : fmt::format("{}/{}", state_.settings.working_directory, path);
    return "/" + codec::normalise_path(joined, codec::LeadingParents::drop);
}

}  // namespace lazybuild::graph
