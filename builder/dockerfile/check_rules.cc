// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/check_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "builder/dockerfile/excerpt.h"
#include "builder/dockerfile/text.h"

namespace lazybuild::dockerfile {
namespace {

constexpr std::array<CheckRule, 22> kRules{{
    {"StageNameCasing", "Stage names should be lowercase"},
    {"FromAsCasing", "The 'as' keyword should match the case of the 'from' keyword"},
    {"NoEmptyContinuation", "Empty continuation lines will become errors in a future release"},
    {"ConsistentInstructionCasing",
     "All commands within the Dockerfile should use the same casing (either upper or lower)"},
    {"DuplicateStageName", "Stage names should be unique"},
    {"ReservedStageName", "Reserved words should not be used as stage names"},
    {"JSONArgsRecommended",
     "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS "
     "signals"},
    {"MaintainerDeprecated",
     "The MAINTAINER instruction is deprecated, use a label instead to define an image author"},
    {"UndefinedArgInFrom", "FROM command must use declared ARGs"},
    {"WorkdirRelativePath",
     "Relative workdir without an absolute workdir declared within the build can have unexpected "
     "results if the base image changes"},
    {"UndefinedVar", "Variables should be defined before their use"},
    {"MultipleInstructionsDisallowed",
     "Multiple instructions of the same type should not be used in the same stage"},
    {"LegacyKeyValueFormat",
     "Legacy key/value format with whitespace separator should not be used"},
    {"InvalidBaseImagePlatform", "Base image platform does not match expected target platform"},
    {"RedundantTargetPlatform",
     "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default "
     "behavior"},
    {"SecretsUsedInArgOrEnv", "Sensitive data should not be used in the ARG or ENV commands"},
    {"InvalidDefaultArgInFrom",
     "Default value for global ARG results in an empty or invalid base image name"},
    {"FromPlatformFlagConstDisallowed", "FROM --platform flag should not use a constant value"},
    {"CopyIgnoredFile", "Attempting to Copy file that is excluded by .dockerignore"},
    {"InvalidDefinitionDescription",
     "Comment for build stage or argument should follow the format: `# <arg/stage name> "
     "<description>`. If this is not intended to be a description comment, add an empty line or "
     "comment between the instruction and the comment.",
     true},
    {"ExposeProtoCasing", "Protocol in EXPOSE instruction should be lowercase"},
    {"ExposeInvalidFormat",
     "IP address and host-port mapping should not be used in EXPOSE instruction. This will become "
     "an error in a future release"},
}};

bool has_name(const std::vector<std::string>& names, std::string_view name) {
    return std::ranges::any_of(names,
                               [&](const std::string& one) { return one == name || one == "all"; });
}

// One of the words is a part of `name`, between '_' or its ends.
bool has_part(std::string_view name, std::span<const std::string_view> words) {
    return std::ranges::any_of(split(lower_case(name), '_'), [&](const std::string& part) {
        return std::ranges::find(words, part) != words.end();
    });
}

// The rules that comments switch off where `line` is.
class SkippedChecks {
  public:
    explicit SkippedChecks(const Dockerfile& file) {
        for (const Instruction& instruction : file.global_arguments) {
            add(instruction);
        }
        for (const Stage& stage : file.stages) {
            add(stage);
            for (const Instruction& instruction : stage.instructions) {
                add(instruction);
            }
        }
    }

    bool skips(const Finding& finding) const {
        const auto after = skips_.upper_bound(finding.lines.first);
        if (after == skips_.begin()) {
            return false;
        }
        const Skip& skip = std::prev(after)->second;
        return finding.lines.first <= skip.last_line && has_name(*skip.names, finding.rule);
    }

  private:
    struct Skip {
        std::uint32_t last_line;
        const std::vector<std::string>* names;
    };
    void add(const auto& instruction) {
        if (!instruction.skipped_checks.empty()) {
            skips_[instruction.lines.first] = {instruction.lines.last, &instruction.skipped_checks};
        }
    }
    std::map<std::uint32_t, Skip> skips_;  ///< by first line
};

std::string meant(std::string_view sigil, std::string_view nearest) {
    return nearest.empty() ? "" : fmt::format(" (did you mean {}{}?)", sigil, nearest);
}

}  // namespace

std::span<const CheckRule> check_rules() {
    return kRules;
}

Finding undefined_variable(std::string_view name, std::string_view nearest, Lines lines) {
    return {"UndefinedVar",
            fmt::format("Usage of undefined variable '${}'{}", name, meant("$", nearest)), lines};
}

Finding undefined_argument_in_from(std::string_view name, std::string_view nearest, Lines lines) {
    return {"UndefinedArgInFrom",
            fmt::format("FROM argument '{}' is not declared{}", name, meant("", nearest)), lines};
}

Finding invalid_default_argument_in_from(std::string_view base, Lines lines) {
    return {
        "InvalidDefaultArgInFrom",
        fmt::format("Default value for ARG {} results in empty or invalid base image name", base),
        lines};
}

Finding invalid_base_image_platform(std::string_view image, const PlatformPair& platforms,
                                    Lines lines) {
    return {"InvalidBaseImagePlatform",
            fmt::format("Base image {} was pulled with platform {}, expected {} for current build",
                        image, quoted(platforms.actual), quoted(platforms.expected)),
            lines};
}

Finding relative_workdir(std::string_view path, Lines lines) {
    return {"WorkdirRelativePath",
            fmt::format("Relative workdir {} can have unexpected results if the base image changes",
                        quoted(path)),
            lines};
}

Finding copy_ignored_file(bool add, std::string_view path, Lines lines) {
    return {"CopyIgnoredFile",
            fmt::format("Attempting to {} file {} that is excluded by .dockerignore",
                        add ? "Add" : "Copy", quoted(path)),
            lines};
}

std::vector<Finding> check_port(std::string_view port, Lines lines) {
    std::vector<Finding> findings;
    const std::size_t slash = port.find('/');
    const std::string_view protocol = slash == port.npos ? "" : port.substr(slash + 1);
    if (protocol != lower_case(protocol)) {
        findings.push_back(
            {"ExposeProtoCasing",
             fmt::format("Defined protocol '{}' in EXPOSE instruction should be lowercase", port),
             lines});
    }
    const std::size_t colon = port.rfind(':', slash);
    if (colon != port.npos && port.substr(0, colon).find_first_not_of(':') != port.npos) {
        findings.push_back({"ExposeInvalidFormat",
                            fmt::format("EXPOSE instruction should not define an IP address or "
                                        "host-port mapping, found '{}'",
                                        port),
                            lines});
    }
    return findings;
}

std::optional<Finding> check_secret_name(std::string_view instruction, std::string_view name,
                                         Lines lines) {
    constexpr std::array<std::string_view, 10> kSecret{
        "apikey",   "auth",  "credential", "credentials", "key",
        "password", "pword", "passwd",     "secret",      "token"};
    constexpr std::array<std::string_view, 3> kHarmless{"public", "file", "version"};
    if (!has_part(name, kSecret) || has_part(name, kHarmless)) {
        return std::nullopt;
    }
    return Finding{"SecretsUsedInArgOrEnv",
                   fmt::format("Do not use ARG or ENV instructions for sensitive data ({} {})",
                               instruction, quoted(name)),
                   lines};
}

Result<CheckOptions> check_options(const Dockerfile& file,
                                   std::optional<std::string_view> build_argument) {
    if (build_argument) {
        auto options = parse_check_options(*build_argument);
        return options ? std::move(options)
                       : fail(std::move(options).error().context("BUILDKIT_DOCKERFILE_CHECK"));
    }
    auto options = parse_check_options(file.directives.check);
    return options ? std::move(options)
                   : fail(located(std::move(options).error(), file, file.directives.check_lines));
}

std::vector<Finding> wanted_findings(std::vector<Finding> findings, const Dockerfile& file,
                                     const CheckOptions& options) {
    const SkippedChecks skipped(file);
    std::set<std::tuple<std::uint32_t, std::string, std::string>> seen;
    std::erase_if(findings, [&](const Finding& finding) {
        const auto rule = std::ranges::find(kRules, finding.rule, &CheckRule::name);
        const bool experimental = rule != kRules.end() && rule->experimental;
        const bool off = experimental ? !has_name(options.experimental, finding.rule)
                                      : has_name(options.skip, finding.rule);
        return off || skipped.skips(finding) ||
               !seen.emplace(finding.lines.first, finding.rule, finding.message).second;
    });
    return findings;
}

std::string text_of(const Finding& finding) {
    std::string text = finding.rule + ": " + finding.message;
    return finding.lines.first == 0 ? text : fmt::format("{} (line {})", text, finding.lines.first);
}

std::string violation(std::span<const Finding> findings) {
    std::set<std::string_view> rules;
    for (const Finding& finding : findings) {
        rules.insert(finding.rule);
    }
    return fmt::format("lint violation found for rules: {}", fmt::join(rules, ", "));
}

}  // namespace lazybuild::dockerfile
