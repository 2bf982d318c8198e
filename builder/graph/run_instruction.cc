// SPDX-License-Identifier: Apache-2.0
// RUN and its mounts.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "builder/dockerfile/run_mount.h"
#include "builder/dockerfile/text.h"
#include "builder/graph/checks.h"
#include "builder/graph/copy_patterns.h"
#include "builder/graph/stage_planner.h"
#include "codec/lexical_path.h"

namespace lazybuild::graph {
namespace {

constexpr std::string_view kScriptDirectory = "/dev/pipes/";
constexpr std::string_view kDefaultHostName = "buildkitsandbox";

std::string last_component(std::string_view path) {
    const std::string clean = codec::normalise_path(path, codec::LeadingParents::drop);
    return clean.empty() ? clean : std::string(codec::split_path(clean).name);
}

RunMount::Type type_of(dockerfile::MountOptions::Type type) {
    switch (type) {
        case dockerfile::MountOptions::Type::bind: return RunMount::Type::bind;
        case dockerfile::MountOptions::Type::cache: return RunMount::Type::cache;
        case dockerfile::MountOptions::Type::tmpfs: return RunMount::Type::tmpfs;
        case dockerfile::MountOptions::Type::secret: return RunMount::Type::secret;
        case dockerfile::MountOptions::Type::ssh: return RunMount::Type::ssh;
    }
    return RunMount::Type::bind;
}

RunMount::Sharing sharing_of(std::optional<dockerfile::MountOptions::Sharing> sharing) {
    using Sharing = dockerfile::MountOptions::Sharing;
    switch (sharing.value_or(Sharing::shared)) {
        case Sharing::shared: return RunMount::Sharing::shared;
        case Sharing::private_: return RunMount::Sharing::private_;
        case Sharing::locked: return RunMount::Sharing::locked;
    }
    return RunMount::Sharing::shared;
}

}  // namespace

Result<void> StagePlanner::carry_out(const dockerfile::Run& run) {
    if (!run.devices.empty()) {
        return fail(Error{.code = std::errc::not_supported,
                          .message = "RUN --device is not supported; remove the flag"});
    }
    RunStep step;
    step.base = state_.files;
    dockerfile::Command command = run.command;
    std::string text = instruction_->text;
    if (command.heredocs.size() == 1) {
        // The heredoc is all of the command: a script of its own, or text for the shell.
        const dockerfile::Heredoc& heredoc = command.heredocs.front();
        if (heredoc.content.starts_with("#!")) {
            step.script =
                InlineFile{.name = heredoc.name, .content = heredoc.content, .mode = 0755};
            command.words = {std::string(kScriptDirectory) + heredoc.name};
        } else {
            command.words = {heredoc.content};
        }
    }
    step.arguments = with_shell(command);
    if (step.arguments.empty()) {
        return fail(invalid("RUN needs a command"));
    }
    step.environment = state_.environment.lines();
    step.proxies = proxies();
    step.working_directory = absolute(state_.settings.working_directory);
    step.user = state_.settings.user;
    step.network = run.network.empty() ? planning_.options.network : run.network;
    step.insecure = run.security == "insecure";
    const auto& given = planning_.options.build_arguments;
    const auto host_name = given.find("BUILDKIT_SANDBOX_HOSTNAME");
    step.host_name = host_name == given.end() ? std::string(kDefaultHostName) : host_name->second;
    CHECK_OK(add_mounts(run, step));
    const std::size_t blank = std::min(text.find(' '), text.size());
    text = dockerfile::upper_case(text.substr(0, blank)) + text.substr(blank);
    std::string history = run_history(step.arguments);
    Step made = make_step(counted(text));
    made.what = std::move(step);
    add_layer(std::move(made), std::move(history));
    return {};
}

Result<void> StagePlanner::add_mounts(const dockerfile::Run& run, RunStep& step) {
    std::size_t agents = 0;
    for (const dockerfile::Word& text : run.mounts) {
        TRY(RunMount mount, plan_mount(text, agents));
        agents += mount.type == RunMount::Type::ssh ? 1 : 0;
        step.mounts.push_back(std::move(mount));
    }
    return {};
}

Result<RunMount> StagePlanner::plan_mount(std::string_view text, std::size_t agents_before) {
    TRY(const dockerfile::MountOptions options,
        dockerfile::parse_mount(text, [this](std::string_view word) { return expanded(word); }));
    RunMount mount;
    mount.type = type_of(options.type);
    mount.target = options.target.empty() ? "" : absolute(options.target);
    mount.read_only = options.read_only;
    mount.id = options.id;
    mount.sharing = sharing_of(options.sharing);
    mount.size_bytes = options.size_bytes;
    mount.mode = options.mode;
    mount.uid = options.uid;
    mount.gid = options.gid;
    mount.required = options.required;
    switch (mount.type) {
        case RunMount::Type::bind:
        case RunMount::Type::cache: CHECK_OK(plan_files(options, mount)); break;
        case RunMount::Type::tmpfs: break;
        case RunMount::Type::secret: plan_secret(options, mount); return mount;
        case RunMount::Type::ssh:
            mount.id = options.id.empty() ? "default" : options.id;
            if (mount.target.empty()) {
                mount.target = fmt::format("/run/buildkit/ssh_agent.{}", agents_before);
            }
            state_.agents.try_emplace(mount.id, OutlineSecret{.id = mount.id,
                                                              .required = mount.required,
                                                              .lines = instruction_->lines});
            return mount;
    }
    // Without a target it would be the working directory, as any relative one is below it.
    mount.target = absolute(options.target);
    if (mount.target == "/") {
        return fail(
            invalid(fmt::format("invalid mount target {}", dockerfile::quoted(mount.target))));
    }
    return mount;
}

Result<void> StagePlanner::plan_files(const dockerfile::MountOptions& options, RunMount& mount) {
    mount.source = codec::normalise_path(options.source, codec::LeadingParents::drop);
    if (mount.type == RunMount::Type::cache) {
        const auto& given = planning_.options.build_arguments;
        const auto scope = given.find("BUILDKIT_CACHE_MOUNT_NS");
        if (mount.id.empty()) {
            // Cleaned, but not made absolute: as BuildKit names it.
            mount.id = codec::normalise_path(options.target, codec::LeadingParents::keep);
            mount.id.insert(0, options.target.starts_with('/') ? "/" : "");
        }
        if (scope != given.end() && !scope->second.empty()) {
            mount.id = scope->second + "/" + mount.id;
        }
        if (options.from.empty()) {
            return {};
        }
    }
    if (options.from.empty()) {
        mount.from = bound_files("context", mount.source);
        return {};
    }
    TRY(const Place place, planning_.stages.find(options.from, node_.index));
    if (place.kind == Place::Kind::context) {
        mount.from = bound_files(place.name, mount.source);
        return {};
    }
    mount.from = files_of(place);
    if (!mount.from) {
        return fail(invalid(fmt::format(
            "cannot mount from stage {} to {}, stage needs to be defined before current command",
            dockerfile::quoted(options.from), dockerfile::quoted(options.target))));
    }
    return {};
}

// What a RUN sees of a context is copied into a layer first, so that it cannot change while the
// command runs and files that are ignored are not there.
StepId StagePlanner::bound_files(const std::string& context, const std::string& source) {
    const StepId files = planning_.context_files(context);
    CopyStep copy;
    copy.base = copy.onto = planning_.no_files();
    copy.sources.push_back({.from = files, .patterns = {literal_pattern(source)}, .unpack = false});
    copy.destination = "/";
    copy.parents = !source.empty();
    Step step =
        make_step(fmt::format("[internal] bind {} of {}", source.empty() ? "." : source,
                              context == "context" ? "the build context" : "context " + context));
    step.what = std::move(copy);
    step.ignore_cache = false;
    return planning_.steps.add_once(fmt::format("bind {} {}", files, source), std::move(step));
}

void StagePlanner::plan_secret(const dockerfile::MountOptions& options, RunMount& mount) {
    if (!options.source.empty()) {
        mount.id = options.source;
    }
    if (mount.id.empty()) {
        mount.id = last_component(options.target);
    }
    mount.variable = options.variable.value_or("");
    if (mount.target.empty() && !options.variable) {
        mount.target = "/run/secrets/" + last_component(mount.id);
    }
    state_.secrets.try_emplace(
        mount.id,
        OutlineSecret{.id = mount.id, .required = mount.required, .lines = instruction_->lines});
}

// "|2 A=1 B=2 /bin/sh -c make": the ARGs that the command saw, each once.
std::string StagePlanner::run_history(const std::vector<std::string>& arguments) const {
    Variables seen;
    for (const DeclaredArgument& argument : state_.arguments) {
        const std::string* value = state_.environment.find(argument.name);
        seen.set(argument.name, value == nullptr ? argument.value.value_or("") : *value);
    }
    std::vector<std::string> words = seen.lines();
    if (!words.empty()) {
        words.insert(words.begin(), fmt::format("|{}", words.size()));
    }
    words.insert(words.end(), arguments.begin(), arguments.end());
    return fmt::format("RUN {} # buildkit", fmt::join(words, " "));
}

std::map<std::string, std::string> StagePlanner::proxies() const {
    std::map<std::string, std::string> result;
    for (const auto& [name, value] : planning_.options.build_arguments) {
        if (is_proxy_argument(name)) {
            result[dockerfile::upper_case(name)] = value;
            result[dockerfile::lower_case(name)] = value;
        }
    }
    return result;
}

}  // namespace lazybuild::graph
