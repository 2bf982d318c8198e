// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/directives.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/bytes.h"
#include "builder/dockerfile/text.h"
#include "codec/json.h"

namespace lazybuild::dockerfile {
namespace {

constexpr std::size_t kCheckOptionsMax = 3;

bool is_letter(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
}

// One of "1", "t", "true", "0", "f", "false" in the usual cases.
std::optional<bool> parse_bool(std::string_view text) {
    for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
        if (text == yes) {
            return true;
        }
    }
    for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
        if (text == no) {
            return false;
        }
    }
    return std::nullopt;
}

std::optional<Syntax> syntax_in_comments(std::string_view source, std::string_view mark,
                                         std::uint32_t number) {
    while (!source.empty()) {
        const std::size_t end = std::min(source.find('\n'), source.size());
        const std::string_view line = source.substr(0, end);
        source.remove_prefix(std::min(end + 1, source.size()));
        ++number;
        const auto directive =
            line.starts_with(mark) ? parse_directive(line.substr(mark.size())) : std::nullopt;
        if (!directive || (directive->key != "syntax" && directive->key != "escape" &&
                           directive->key != "check")) {
            return std::nullopt;
        }
        if (directive->key == "syntax") {
            return Syntax{directive->value, {number, number}};
        }
    }
    return std::nullopt;
}

std::vector<std::string> rule_names(std::string_view text) {
    std::vector<std::string> names;
    for (const std::string& name : split(trim(text), ',')) {
        names.emplace_back(trim(name));
    }
    return names;
}

}  // namespace

std::optional<Directive> parse_directive(std::string_view comment) {
    comment = trim(comment);
    std::size_t end = 0;
    while (end < comment.size() &&
           (is_letter(comment[end]) || (end > 0 && comment[end] >= '0' && comment[end] <= '9'))) {
        ++end;
    }
    const std::string_view rest = trim_left(comment.substr(end));
    if (end == 0 || !rest.starts_with('=')) {
        return std::nullopt;
    }
    const std::string_view value = trim(rest.substr(1));
    if (value.empty()) {
        return std::nullopt;
    }
    return Directive{lower_case(comment.substr(0, end)), std::string{value}};
}

Result<bool> DirectiveReader::take(std::string_view line, std::uint32_t number) {
    if (over_) {
        return false;
    }
    const auto directive = line.starts_with('#') ? parse_directive(line.substr(1)) : std::nullopt;
    const Lines lines{number, number};
    if (!directive) {
        over_ = true;
        return false;
    }
    const auto& [key, value] = *directive;
    if (key != "syntax" && key != "escape" && key != "check") {
        over_ = true;
        return false;
    }
    if (!seen_.insert(key).second) {
        return fail(invalid(fmt::format("only one {} parser directive can be used", key)));
    }
    if (key == "syntax") {
        directives_.syntax = value;
        directives_.syntax_lines = lines;
    } else if (key == "check") {
        directives_.check = value;
        directives_.check_lines = lines;
    } else if (value != "\\" && value != "`") {
        return fail(
            invalid(fmt::format("invalid escape token '{}' does not match ` or \\", value)));
    } else {
        directives_.escape = value.front();
    }
    return true;
}

std::optional<Syntax> detect_syntax(std::string_view source) {
    if (source.starts_with("\xEF\xBB\xBF")) {
        source.remove_prefix(3);
    }
    std::uint32_t number = 0;
    if (source.starts_with("#!")) {
        source.remove_prefix(std::min(source.find('\n') + 1, source.size()));
        number = 1;
    }
    for (const std::string_view mark : {"#", "//"}) {
        if (auto found = syntax_in_comments(source, mark, number)) {
            return found;
        }
    }
    if (!trim_left(source).starts_with('{')) {
        return std::nullopt;
    }
    const auto document = codec::JsonDocument::parse(as_bytes(source), "Dockerfile");
    if (!document) {
        return std::nullopt;
    }
    auto value = document->root().text_or_empty("syntax");
    if (!value || value->empty()) {
        return std::nullopt;
    }
    return Syntax{std::move(*value), {number + 1, number + 1}};
}

Result<CheckOptions> parse_check_options(std::string_view text) {
    CheckOptions options;
    text = trim(text);
    if (text.empty()) {
        return options;
    }
    std::vector<std::string> parts = split(text, ';');
    while (parts.size() > kCheckOptionsMax) {
        const std::string last = std::move(parts.back());
        parts.pop_back();
        parts.back() += ";" + last;
    }
    for (const std::string_view part : parts) {
        const std::size_t equals = part.find('=');
        if (equals == part.npos) {
            return fail(invalid(fmt::format("invalid check option {}", quoted(part))));
        }
        const std::string_view key = trim(part.substr(0, equals));
        const std::string_view value = trim(part.substr(equals + 1));
        if (key == "skip") {
            options.skip = rule_names(value);
        } else if (key == "experimental") {
            options.experimental = rule_names(value);
        } else if (key == "error") {
            const auto error = parse_bool(value);
            if (!error) {
                return fail(invalid(
                    fmt::format("failed to parse check option {}: write error=true or error=false",
                                quoted(part))));
            }
            options.error = *error;
        } else {
            return fail(invalid(fmt::format("invalid check option {}", quoted(key))));
        }
    }
    return options;
}

std::vector<std::string> skipped_checks(const std::vector<std::string>& comments) {
    for (const std::string& comment : comments) {
        const auto directive = parse_directive(comment);
        if (!directive || directive->key != "check") {
            continue;
        }
        auto options = parse_check_options(first_word(directive->value).word);
        return options ? std::move(options->skip) : std::vector<std::string>{};
    }
    return {};
}

}  // namespace lazybuild::dockerfile
