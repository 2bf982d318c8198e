// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "builder/dockerfile/expand.h"
#include "builder/dockerfile/text.h"
#include "codec/oci_platform.h"

namespace lazybuild::dockerfile {
namespace {

bool is_lower(std::string_view text) {
    return text == lower_case(text);
}

bool is_upper(std::string_view text) {
    return text == upper_case(text);
}

class Checker {
  public:
    explicit Checker(const Dockerfile& file) : file_(file) {}

    std::vector<Finding> run() {
        for (const Lines lines : file_.empty_continuations) {
            add("NoEmptyContinuation", "Empty continuation line", {lines.last, lines.last});
        }
        for (const Instruction& instruction : file_.global_arguments) {
            check_description(instruction);
        }
        find_majority();
        for (const Stage& stage : file_.stages) {
            check_stage(stage);
        }
        std::vector<Finding> result;
        for (auto& [line, finding] : findings_) {
            result.push_back(std::move(finding));
        }
        return result;
    }

  private:
    void add(Finding finding) {
        const std::uint32_t line = finding.lines.first;
        findings_.emplace(line, std::move(finding));
    }
    void add(std::string rule, std::string message, Lines lines) {
        add({std::move(rule), std::move(message), lines});
    }

    void find_majority() {
        std::size_t lower = 0;
        std::size_t upper = 0;
        const auto count = [&](std::string_view keyword) {
            lower += is_lower(keyword) ? 1 : 0;
            upper += is_upper(keyword) ? 1 : 0;
        };
        for (const Stage& stage : file_.stages) {
            count(stage.keyword);
            for (const Instruction& instruction : stage.instructions) {
                count(instruction.keyword);
            }
        }
        lower_is_usual_ = lower > upper;
    }

    void check_casing(std::string_view keyword, Lines lines) {
        if (lower_is_usual_ ? is_lower(keyword) : is_upper(keyword)) {
            return;
        }
        add("ConsistentInstructionCasing",
            fmt::format("Command '{}' should match the case of the command majority ({})", keyword,
                        lower_is_usual_ ? "lowercase" : "uppercase"),
            lines);
    }

    void check_stage(const Stage& stage) {
        check_from(stage);
        check_platform(stage);
        has_shell_ = shells_.contains(stage.from.base);
        once_.clear();
        for (const Instruction& instruction : stage.instructions) {
            check_casing(instruction.keyword, instruction.lines);
            std::visit([&](const auto& what) { check(instruction, what); }, instruction.what);
        }
        if (has_shell_ && !stage.from.name.empty()) {
            shells_.insert(stage.from.name);
        }
    }

    void check_from(const Stage& stage) {
        const From& from = stage.from;
        check_casing(stage.keyword, stage.lines);
        if (from.name.empty()) {
            return;
        }
        if (!is_lower(from.name_as_written)) {
            add("StageNameCasing",
                fmt::format("Stage name '{}' should be lowercase", from.name_as_written),
                stage.lines);
        }
        // A FROM of mixed case is the business of ConsistentInstructionCasing.
        const bool matches = is_lower(stage.keyword)   ? is_lower(from.as_keyword)
                             : is_upper(stage.keyword) ? is_upper(from.as_keyword)
                                                       : true;
        if (!matches) {
            add("FromAsCasing",
                fmt::format("'{}' and '{}' keywords' casing do not match", from.as_keyword,
                            stage.keyword),
                stage.lines);
        }
        if (from.name == "context" || from.name == "scratch") {
            add("ReservedStageName",
                fmt::format("Stage name should not use the same name as reserved stage {}",
                            quoted(from.name)),
                stage.lines);
        }
        if (!names_.insert(from.name).second) {
            add("DuplicateStageName",
                fmt::format("Duplicate stage name {}, stage names should be unique",
                            quoted(from.name)),
                stage.lines);
        }
        describe("FROM", {from.name}, stage.comments, stage.lines);
    }

    void check_platform(const Stage& stage) {
        const From& from = stage.from;
        if (from.platform.empty()) {
            return;
        }
        constexpr std::string_view kValue = "value";
        const auto expanded = expand(
            from.platform, [&](std::string_view) { return std::string{kValue}; },
            file_.directives.escape);
        if (!expanded) {
            return;
        }
        if (expanded->used.size() == 1 && expanded->used.contains("TARGETPLATFORM") &&
            expanded->text == kValue) {
            add("RedundantTargetPlatform",
                fmt::format("Setting platform to predefined {} in FROM is redundant as this is the "
                            "default behavior",
                            from.platform),
                stage.lines);
        }
        const auto platform = codec::Platform::parse(expanded->text);
        if (!expanded->used.empty() || !platform) {
            return;
        }
        // A stage that is named after its platform is meant to be for that one.
        if (from.name.find(platform->os) == from.name.npos &&
            from.name.find(platform->architecture) == from.name.npos) {
            add("FromPlatformFlagConstDisallowed",
                fmt::format("FROM --platform flag should not use constant value {}",
                            quoted(expanded->text)),
                stage.lines);
        }
    }

    // The last comment line above must begin with what it describes.
    void describe(std::string_view keyword, const std::vector<std::string>& names,
                  const std::vector<std::string>& comments, Lines lines) {
        if (comments.empty() || names.empty()) {
            return;
        }
        const std::string first{first_word(comments.back()).word};
        if (std::ranges::find(names, first) == names.end()) {
            add("InvalidDefinitionDescription",
                fmt::format("Comment for {} should follow the format: `# {} <description>`",
                            keyword, names.size() > 1 ? "<arg_key>" : names.front()),
                lines);
        }
    }

    void check_description(const Instruction& instruction) {
        std::vector<std::string> names;
        for (const ArgDeclaration& argument : std::get<Arg>(instruction.what).arguments) {
            names.push_back(argument.name);
        }
        describe("ARG", names, instruction.comments, instruction.lines);
    }

    void check_once(const Instruction& instruction, std::string_view keyword) {
        const auto [place, first] = once_.try_emplace(keyword, instruction.lines);
        if (!first) {
            add("MultipleInstructionsDisallowed",
                fmt::format("Multiple {} instructions should not be used in the same stage because "
                            "only the last one will be used",
                            instruction.keyword),
                std::exchange(place->second, instruction.lines));
        }
    }

    void check_json(const Instruction& instruction, const Command& command) {
        if (command.shell_form && !has_shell_) {
            add("JSONArgsRecommended",
                fmt::format("JSON arguments recommended for {} to prevent unintended behavior "
                            "related to OS signals",
                            instruction.keyword),
                instruction.lines);
        }
    }

    void check_secret(const Instruction& instruction, std::string_view keyword,
                      std::string_view name) {
        if (auto finding = check_secret_name(keyword, name, instruction.lines)) {
            add(std::move(*finding));
        }
    }

    void check_legacy(const Instruction& instruction, const std::vector<NamedWord>& words) {
        for (const NamedWord& word : words) {
            if (word.legacy) {
                add("LegacyKeyValueFormat",
                    fmt::format("\"{0} key=value\" should be used instead of legacy \"{0} key "
                                "value\" format",
                                instruction.keyword),
                    instruction.lines);
            }
        }
    }

    void check(const Instruction&, const auto&) {}
    void check(const Instruction& instruction, const Arg& arg) {
        check_description(instruction);
        for (const ArgDeclaration& argument : arg.arguments) {
            check_secret(instruction, "ARG", argument.name);
        }
    }
    void check(const Instruction& instruction, const Env& env) {
        check_legacy(instruction, env.variables);
        for (const NamedWord& variable : env.variables) {
            check_secret(instruction, "ENV", variable.name);
        }
    }
    void check(const Instruction& instruction, const Label& label) {
        check_legacy(instruction, label.labels);
    }
    void check(const Instruction& instruction, const Maintainer&) {
        add("MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label",
            instruction.lines);
    }
    void check(const Instruction& instruction, const Cmd& cmd) {
        check_once(instruction, "CMD");
        check_json(instruction, cmd.command);
    }
    void check(const Instruction& instruction, const Entrypoint& entrypoint) {
        check_once(instruction, "ENTRYPOINT");
        check_json(instruction, entrypoint.command);
    }
    void check(const Instruction& instruction, const Healthcheck&) {
        check_once(instruction, "HEALTHCHECK");
    }
    void check(const Instruction&, const Shell&) { has_shell_ = true; }
    void check(const Instruction& instruction, const Expose& expose) {
        for (const Word& port : expose.ports) {
            if (port.find('$') != port.npos) {
                continue;  // checked when it has its value
            }
            for (Finding& finding : check_port(port, instruction.lines)) {
                add(std::move(finding));
            }
        }
    }

    const Dockerfile& file_;
    std::multimap<std::uint32_t, Finding> findings_;  ///< by line
    bool lower_is_usual_ = false;
    bool has_shell_ = false;                  ///< SHELL was given: shell form is meant
    std::set<std::string> names_;             ///< of stages so far
    std::set<std::string> shells_;            ///< stages with a SHELL, their bases' included
    std::map<std::string_view, Lines> once_;  ///< of this stage: CMD and its like
};

}  // namespace

std::vector<Finding> check(const Dockerfile& file) {
    return Checker(file).run();
}

}  // namespace lazybuild::dockerfile
