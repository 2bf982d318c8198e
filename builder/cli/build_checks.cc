// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "builder/dockerfile/checks.h"
#include "builder/dockerfile/directives.h"
#include "builder/dockerfile/excerpt.h"
#include "codec/json.h"

namespace lazybuild::cli {
namespace {

/// The minor number of the frontend (1.x) whose language this is.
constexpr int kFrontendMinor = 26;

std::string_view description_of(const std::string& rule) {
    const auto rules = dockerfile::check_rules();
    const auto found = std::ranges::find_if(
        rules, [&](const dockerfile::CheckRule& known) { return known.name == rule; });
    return found == rules.end() ? "" : found->description;
}

std::string count_text(std::size_t count) {
    if (count == 0) {
        return "Check complete, no warnings found.";
    }
    return count == 1 ? "Check complete, 1 warning has been found!"
                      : fmt::format("Check complete, {} warnings have been found!", count);
}

// "1.7", "1.7-labs": 7; nothing for tags that are no version of 1.
std::optional<int> minor_of(std::string_view tag) {
    if (!tag.starts_with("1.")) {
        return std::nullopt;
    }
    tag.remove_prefix(2);
    int minor = 0;
    const auto [end, error] = std::from_chars(tag.data(), tag.data() + tag.size(), minor);
    return error == std::errc{} ? std::optional(minor) : std::nullopt;
}

// Names alone: what a wildcard finds may leave ignored files out on purpose.
void add_ignored_copies(const CheckInput& input, std::vector<dockerfile::Finding>& findings) {
    if (input.ignored.empty() || input.ignored.has_exceptions()) {
        return;
    }
    for (const graph::Step& step : input.plan.steps) {
        const auto* const copy = std::get_if<graph::CopyStep>(&step.what);
        if (copy == nullptr) {
            continue;
        }
        for (const graph::CopySource& source : copy->sources) {
            const auto* const context =
                std::get_if<graph::ContextStep>(&input.plan.steps[source.from].what);
            if (context == nullptr || context->name != "context") {
                continue;
            }
            for (const std::string& pattern : source.patterns) {
                const bool wildcard = pattern.find_first_of("*?[") != std::string::npos;
                if (!wildcard && input.ignored.excludes(pattern)) {
                    const bool add = step.text.find("] ADD ") != std::string::npos;
                    findings.push_back(dockerfile::copy_ignored_file(add, pattern, step.lines));
                }
            }
        }
    }
}

}  // namespace

Result<std::optional<std::string>> check_syntax(
    const std::string& source, const std::map<std::string, std::string>& build_arguments) {
    std::string frontend;
    if (const auto wanted = build_arguments.find("BUILDKIT_SYNTAX");
        wanted != build_arguments.end()) {
        frontend = wanted->second;
    } else if (const auto syntax = dockerfile::detect_syntax(source)) {
        frontend = syntax->value;
    }
    frontend = frontend.substr(0, frontend.find_first_of(" \t"));
    if (frontend.empty() || frontend == "dockerfile.v0") {
        return std::nullopt;
    }
    std::string_view name = frontend;
    name = name.substr(0, name.find('@'));
    for (const std::string_view host : {"docker.io/", "index.docker.io/"}) {
        if (name.starts_with(host)) {
            name.remove_prefix(host.size());
        }
    }
    const std::size_t colon = name.find(':');
    const std::string_view repository = name.substr(0, colon);
    if (repository != "docker/dockerfile" && repository != "docker/dockerfile-upstream") {
        return fail(Error{.code = std::errc::not_supported,
                          .message = fmt::format("the Dockerfile wants the frontend {}; only the "
                                                 "language of docker/dockerfile is built in",
                                                 frontend)});
    }
    const auto minor = minor_of(colon == std::string_view::npos ? "" : name.substr(colon + 1));
    if (minor.value_or(0) > kFrontendMinor) {
        return fmt::format("the Dockerfile wants {}; what is built in here is the language of 1.{}",
                           frontend, kFrontendMinor);
    }
    return std::nullopt;
}

Result<Checked> check_dockerfile(const CheckInput& input) {
    std::optional<std::string_view> argument;
    if (const auto found = input.build_arguments.find("BUILDKIT_DOCKERFILE_CHECK");
        found != input.build_arguments.end()) {
        argument = found->second;
    }
    TRY(const dockerfile::CheckOptions options, dockerfile::check_options(input.file, argument));
    std::vector<dockerfile::Finding> findings = dockerfile::check(input.file);
    for (const graph::Warning& warning : input.plan.warnings) {
        findings.push_back(
            {.rule = warning.rule, .message = warning.message, .lines = warning.lines});
    }
    add_ignored_copies(input, findings);
    std::multimap<std::uint32_t, dockerfile::Finding> by_line;
    for (dockerfile::Finding& finding : findings) {
        const std::uint32_t line = finding.lines.first;
        by_line.emplace(line, std::move(finding));
    }
    findings.clear();
    for (auto& [line, finding] : by_line) {
        findings.push_back(std::move(finding));
    }
    return Checked{
        .findings = dockerfile::wanted_findings(std::move(findings), input.file, options),
        .is_error = options.error};
}

std::string findings_text(const dockerfile::Dockerfile& file, const Checked& checked) {
    std::string text = count_text(checked.findings.size()) + "\n";
    for (const dockerfile::Finding& finding : checked.findings) {
        text += fmt::format("\nWARNING: {}\n{}\n{}\n{}", finding.rule, description_of(finding.rule),
                            finding.message, dockerfile::excerpt(file, finding.lines));
    }
    return text;
}

std::string findings_json(const dockerfile::Dockerfile& file, const Checked& checked) {
    codec::Json document = codec::Json::object();
    codec::Json warnings = codec::Json::array();
    for (const dockerfile::Finding& finding : checked.findings) {
        warnings.push_back(
            {{"ruleName", finding.rule},
             {"description", description_of(finding.rule)},
             {"detail", finding.message},
             {"location",
              {{"sourceIndex", 0},
               {"ranges", codec::Json::array({{{"start", {{"line", finding.lines.first}}},
                                               {"end", {{"line", finding.lines.last}}}}})}}}});
    }
    document["warnings"] = std::move(warnings);
    document["sources"] = codec::Json::array({{{"filename", file.name}, {"data", file.source}}});
    return codec::json_pretty(document);
}

}  // namespace lazybuild::cli
