// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "builder/dockerfile/text.h"
#include "codec/json.h"

namespace lazybuild::dockerfile {
namespace {

struct Unit {
    std::string_view name;
    double nanoseconds;
};
constexpr std::array<Unit, 8> kUnits{{{"ns", 1},
                                      {"us", 1e3},
                                      {"\xC2\xB5s", 1e3},  // micro sign
                                      {"\xCE\xBCs", 1e3},  // Greek mu
                                      {"ms", 1e6},
                                      {"s", 1e9},
                                      {"m", 60e9},
                                      {"h", 3600e9}}};

bool is_digit(char letter) {
    return letter >= '0' && letter <= '9';
}

Error bad_duration(std::string_view text) {
    return invalid(fmt::format("time: invalid duration {}", quoted(text)));
}

// "1.5" from the front of `text`; nothing when there is no digit.
std::optional<double> take_number(std::string_view& text) {
    double value = 0;
    std::size_t digits = 0;
    for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1), ++digits) {
        value = value * 10 + (text.front() - '0');
    }
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        for (double scale = 0.1; !text.empty() && is_digit(text.front()); scale /= 10) {
            value += (text.front() - '0') * scale;
            text.remove_prefix(1);
            ++digits;
        }
    }
    return digits == 0 ? std::nullopt : std::optional{value};
}

}  // namespace

std::vector<std::string> split_quoted(std::string_view text, char escape) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;  // also when nothing but quotes was seen
    char quote = '\0';
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char letter = text[at];
        if (quote == '\0' && is_blank(letter)) {
            if (in_word) {
                words.push_back(std::exchange(word, {}));
            }
            in_word = false;
            continue;
        }
        const bool escapes = letter == escape && quote != '\'';
        if (escapes && at + 1 == text.size()) {
            break;  // it would escape the end
        }
        in_word = true;
        word += letter;
        if (escapes) {
            word += text[++at];
        } else if (quote == '\0' && (letter == '\'' || letter == '"')) {
            quote = letter;
        } else if (letter == quote) {
            quote = '\0';
        }
    }
    if (in_word) {
        words.push_back(std::move(word));
    }
    return words;
}

Result<std::vector<NamedWord>> parse_named_words(std::string_view text, std::string_view keyword,
                                                 char escape) {
    const std::vector<std::string> words = split_quoted(text, escape);
    if (words.empty()) {
        return fail(invalid(fmt::format("{} requires at least one argument", keyword)));
    }
    std::vector<NamedWord> result;
    if (words.front().find('=') == std::string::npos) {
        const FirstWord parts = first_word(text);
        if (parts.rest.empty()) {
            return fail(invalid(fmt::format("{} must have two arguments", keyword)));
        }
        result.push_back({std::string{parts.word}, std::string{parts.rest}, true});
        return result;
    }
    for (const std::string_view word : words) {
        const std::size_t equals = word.find('=');
        if (equals == word.npos) {
            return fail(invalid(
                fmt::format("Syntax error - can't find = in {}. Must be of the form: name=value",
                            quoted(word))));
        }
        if (equals == 0) {
            return fail(invalid(fmt::format("{} names can not be blank", keyword)));
        }
        result.push_back(
            {std::string{word.substr(0, equals)}, std::string{word.substr(equals + 1)}, false});
    }
    return result;
}

Result<std::vector<ArgDeclaration>> parse_arguments(std::string_view text, char escape) {
    std::vector<ArgDeclaration> result;
    for (const std::string& word : split_quoted(text, escape)) {
        const std::size_t equals = word.find('=');
        if (equals == 0) {
            return fail(invalid("ARG names can not be blank"));
        }
        ArgDeclaration declaration{.name = word.substr(0, equals)};
        if (equals != word.npos) {
            declaration.value = word.substr(equals + 1);
        }
        result.push_back(std::move(declaration));
    }
    if (result.empty()) {
        return fail(invalid("ARG requires at least one argument"));
    }
    return result;
}

Result<JsonWords> parse_json_words(std::string_view text) {
    JsonWords result;
    if (!trim_left(text).starts_with('[')) {
        return result;
    }
    const auto document = codec::JsonDocument::parse(as_bytes(text), "");
    if (!document) {
        return result;
    }
    const auto elements = document->root().array();
    if (!elements) {
        return result;
    }
    for (const codec::JsonPlace& element : *elements) {
        auto word = element.text();
        if (!word) {
            return fail(
                invalid("when using JSON array syntax, arrays must be comprised of strings only"));
        }
        result.words.push_back(std::move(*word));
    }
    result.is_json = true;
    return result;
}

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
    std::string_view rest = text;
    const bool negative = rest.starts_with('-');
    if (negative || rest.starts_with('+')) {
        rest.remove_prefix(1);
    }
    if (rest == "0") {
        return std::chrono::nanoseconds{0};
    }
    if (rest.empty()) {
        return fail(bad_duration(text));
    }
    double total = 0;
    while (!rest.empty()) {
        const auto number = take_number(rest);
        if (!number) {
            return fail(bad_duration(text));
        }
        const std::size_t end = std::min(rest.find_first_of(".0123456789"), rest.size());
        const std::string_view name = rest.substr(0, end);
        rest.remove_prefix(end);
        if (name.empty()) {
            return fail(invalid(fmt::format("time: missing unit in duration {}", quoted(text))));
        }
        const auto unit = std::ranges::find(kUnits, name, &Unit::name);
        if (unit == kUnits.end()) {
            return fail(invalid(
                fmt::format("time: unknown unit {} in duration {}", quoted(name), quoted(text))));
        }
        total += *number * unit->nanoseconds;
    }
    // The largest double below 2^63 is far more than anybody waits.
    if (!(total < static_cast<double>(std::numeric_limits<std::int64_t>::max()))) {
        return fail(bad_duration(text));
    }
    const auto whole = static_cast<std::int64_t>(std::round(total));
    return std::chrono::nanoseconds{negative ? -whole : whole};
}

}  // namespace lazybuild::dockerfile
