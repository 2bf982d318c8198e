// SPDX-License-Identifier: Apache-2.0
// The instructions that change an image's config alone.
#include <fmt/format.h>

#include <utility>

#include "builder/dockerfile/text.h"
#include "builder/graph/checks.h"
#include "builder/graph/history_text.h"
#include "builder/graph/port.h"
#include "builder/graph/stage_planner.h"

namespace lazybuild::graph {
Result<void> StagePlanner::carry_out(const dockerfile::Env& env) {
    // All of the line see what was set before it.
    std::vector<std::pair<std::string, std::string>> values;
    for (const dockerfile::NamedWord& variable : env.variables) {
        TRY(std::string name, expanded(variable.name));
        TRY(std::string value, expanded(variable.value));
        values.emplace_back(std::move(name), std::move(value));
    }
    std::string history = "ENV";
    for (const auto& [name, value] : values) {
        history += fmt::format(" {}={}", name, value);
        state_.environment.set(name, value);
        state_.image_environment.set(name, value);
    }
    add_history(std::move(history));
    return {};
}

Result<void> StagePlanner::carry_out(const dockerfile::Label& label) {
    std::string history = "LABEL";
    for (const dockerfile::NamedWord& word : label.labels) {
        TRY(const std::string name, expanded(word.name));
        TRY(const std::string value, expanded(word.value));
        state_.settings.labels[name] = value;
        history += fmt::format(" {}={}", name, value);
    }
    add_history(std::move(history));
    return {};
}

Result<void> StagePlanner::carry_out(const dockerfile::User& user) {
    TRY(state_.settings.user, expanded(user.user));
    add_history("USER " + state_.settings.user);
    return {};
}

Result<void> StagePlanner::carry_out(const dockerfile::Volume& volume) {
    std::vector<std::string> paths;
    for (const dockerfile::Word& word : volume.paths) {
        TRY(std::string path, expanded(word));
        if (path.empty()) {
            return fail(invalid("VOLUME specified can not be an empty string"));
        }
        state_.settings.volumes.push_back(path);
        paths.push_back(std::move(path));
    }
    add_history("VOLUME " + plain_list(paths));
    return {};
}

Result<void> StagePlanner::carry_out(const dockerfile::Expose& expose) {
    std::vector<std::string> names;
    for (const dockerfile::Word& word : expose.ports) {
        TRY(const dockerfile::ExpandedWords words,
            dockerfile::expand_words(word, lookup_in(state_.environment),
                                     planning_.file.directives.escape));
        for (const std::string& text : words.words) {
            TRY(const std::vector<std::string> ports, parse_ports(text));
            names.insert(names.end(), ports.begin(), ports.end());
            if (word.find('$') != std::string::npos) {  // others have been checked in the file
                const auto findings = dockerfile::check_port(text, instruction_->lines);
                planning_.warnings.insert(planning_.warnings.end(), findings.begin(),
                                          findings.end());
            }
        }
    }
    state_.settings.exposed_ports.insert(state_.settings.exposed_ports.end(), names.begin(),
                                         names.end());
    add_history("EXPOSE " + plain_list(names));
    return {};
}

Result<void> StagePlanner::carry_out(const dockerfile::StopSignal& stop_signal) {
    TRY(const std::string signal, expanded(stop_signal.signal));
    if (!is_signal(signal)) {
        return fail(invalid(fmt::format("invalid signal: {}", signal)));
    }
    state_.settings.stop_signal = signal;
    add_history("STOPSIGNAL " + signal);
    return {};
}

Result<void> StagePlanner::carry_out(const dockerfile::Shell& shell) {
    state_.settings.shell = shell.words;
    add_history("SHELL " + plain_list(shell.words));
    return {};
}

Result<void> StagePlanner::carry_out(const dockerfile::Cmd& command) {
    std::vector<std::string> words = with_shell(command.command);
    add_history("CMD " + quoted_list(words));
    state_.settings.command = std::move(words);
    state_.settings.args_escaped = true;
    command_given_ = true;
    return {};
}

Result<void> StagePlanner::carry_out(const dockerfile::Entrypoint& entrypoint) {
    std::vector<std::string> words = with_shell(entrypoint.command);
    add_history("ENTRYPOINT " + quoted_list(words));
    state_.settings.entrypoint = std::move(words);
    if (!command_given_) {
        state_.settings.command.reset();  // a base's CMD was for the base's ENTRYPOINT
    }
    return {};
}

Result<void> StagePlanner::carry_out(const dockerfile::Healthcheck& check) {
    Health health;
    if (check.none) {
        health.test = {"NONE"};
    } else {
        health.test = {check.command.shell_form ? "CMD-SHELL" : "CMD"};
        health.test.insert(health.test.end(), check.command.words.begin(),
                           check.command.words.end());
    }
    health.interval_ns = check.interval.count();
    health.timeout_ns = check.timeout.count();
    health.start_period_ns = check.start_period.count();
    health.start_interval_ns = check.start_interval.count();
    health.retries = check.retries;
    add_history("HEALTHCHECK " + health_text(health));
    state_.settings.health = std::move(health);
    return {};
}

Result<void> StagePlanner::carry_out(const dockerfile::Onbuild& onbuild) {
    state_.settings.onbuild.push_back(onbuild.instruction);
    return {};
}

Result<void> StagePlanner::carry_out(const dockerfile::Maintainer& maintainer) {
    state_.settings.author = maintainer.name;
    add_history("MAINTAINER " + maintainer.name);
    return {};
}

std::vector<std::string> StagePlanner::with_shell(const dockerfile::Command& command) {
    if (!command.shell_form) {
        return command.words;
    }
    std::vector<std::string> words = state_.settings.shell;
    if (words.empty()) {
        words = {"/bin/sh", "-c"};
    }
    words.push_back(command.words.empty() ? "" : command.words.front());
    return words;
}

}  // namespace lazybuild::graph
