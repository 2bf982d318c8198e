// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "builder/dockerfile/text.h"

namespace lazybuild::dockerfile {
namespace {

// One flag word, from `text` on; its quotes and escapes vanish.
std::string take_word(std::string_view& text, char escape) {
    std::string word;
    char quote = '\0';
    while (!text.empty() && (quote != '\0' || !is_blank(text.front()))) {
        char letter = text.front();
        text.remove_prefix(1);
        if (quote == '\0' && (letter == '\'' || letter == '"')) {
            quote = letter;
        } else if (quote != '\0' && letter == quote) {
            quote = '\0';
        } else if (letter != escape) {
            word += letter;
        } else if (!text.empty()) {
            word += text.front();
            text.remove_prefix(1);
        }
    }
    return word;
}

Result<std::string> checked_value(const FlagRule& rule, std::string_view flag,
                                  std::optional<std::string_view> value) {
    if (rule.kind != FlagKind::yes_or_no) {
        if (!value) {
            return fail(invalid(fmt::format("missing a value on flag: {}", flag)));
        }
        return std::string{*value};
    }
    if (value && value->empty()) {
        return fail(invalid(fmt::format("missing a value on flag: {}", flag)));
    }
    std::string lower = value ? lower_case(*value) : "true";
    if (lower != "true" && lower != "false") {
        return fail(
            invalid(fmt::format("expecting boolean value for flag {}, not: {}", flag, *value)));
    }
    return lower;
}

}  // namespace

std::vector<std::string> take_flags(std::string_view& text, char escape) {
    std::vector<std::string> flags;
    for (text = trim_left(text); text.starts_with("--"); text = trim_left(text)) {
        std::string word = take_word(text, escape);
        if (word == "--") {
            break;
        }
        flags.push_back(std::move(word));
    }
    return flags;
}

Result<Flags> Flags::parse(const std::vector<std::string>& words,
                           const std::vector<FlagRule>& rules) {
    Flags flags;
    for (const std::string_view word : words) {
        const std::size_t equals = std::min(word.find('='), word.size());
        const std::string_view flag = word.substr(0, equals);
        const std::string_view name = flag.substr(std::min<std::size_t>(flag.size(), 2));
        const auto rule = std::ranges::find(rules, name, &FlagRule::name);
        if (rule == rules.end()) {
            std::vector<std::string> known;
            for (const FlagRule& one : rules) {
                known.emplace_back(one.name);
            }
            return fail(
                invalid(fmt::format("unknown flag: {}{}", flag, did_you_mean(name, known))));
        }
        if (rule->kind != FlagKind::list &&
            std::ranges::find(flags.given_, name, &Given::name) != flags.given_.end()) {
            return fail(invalid(fmt::format("duplicate flag specified: {}", flag)));
        }
        std::optional<std::string_view> given;
        if (equals < word.size()) {
            given = word.substr(equals + 1);
        }
        TRY(std::string value, checked_value(*rule, flag, given));
        flags.given_.push_back({std::string{name}, std::move(value)});
    }
    return flags;
}

std::string Flags::text(std::string_view name) const {
    const auto found = std::ranges::find(given_, name, &Given::name);
    return found == given_.end() ? "" : found->value;
}

std::vector<std::string> Flags::list(std::string_view name) const {
    std::vector<std::string> values;
    for (const Given& one : given_) {
        if (one.name == name) {
            values.push_back(one.value);
        }
    }
    return values;
}

std::optional<bool> Flags::yes_or_no(std::string_view name) const {
    const auto found = std::ranges::find(given_, name, &Given::name);
    if (found == given_.end()) {
        return std::nullopt;
    }
    return found->value == "true";
}

}  // namespace lazybuild::dockerfile
