// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>

#include "base/suggest.h"

namespace lazybuild::dockerfile {
namespace {

constexpr std::string_view kBlanks = " \t\n\v\f\r";
constexpr std::size_t kEditsMax = 2;
constexpr std::size_t kComparedBytesMax = 256;

// Length in bytes of the UTF-8 character that `text` begins with; 0 when it begins with none.
std::size_t character_bytes(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text[0]);
    const std::size_t size = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                                           : 4;
    if (size == 0 || lead > 0xF4 || size > text.size()) {
        return 0;
    }
    const auto is_tail = [](char byte) {
        return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
    };
    return std::ranges::all_of(text.substr(1, size - 1), is_tail) ? size : 0;
}

}  // namespace

bool is_blank(char letter) {
    return kBlanks.find(letter) != kBlanks.npos;
}

std::string_view trim_left(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    return text;
}

std::string_view trim(std::string_view text) {
    text = trim_left(text);
    return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

std::string lower_case(std::string_view text) {
    std::string result{text};
    std::ranges::transform(result, result.begin(), [](unsigned char letter) {
        return static_cast<char>(letter < 0x80 ? std::tolower(letter) : letter);
    });
    return result;
}

std::string upper_case(std::string_view text) {
    std::string result{text};
    std::ranges::transform(result, result.begin(), [](unsigned char letter) {
        return static_cast<char>(letter < 0x80 ? std::toupper(letter) : letter);
    });
    return result;
}

FirstWord first_word(std::string_view text) {
    const std::size_t end = std::min(text.find_first_of(kBlanks), text.size());
    return {text.substr(0, end), trim_left(text.substr(end))};
}

std::vector<std::string> split_blanks(std::string_view text) {
    std::vector<std::string> words;
    for (text = trim_left(text); !text.empty();) {
        const FirstWord next = first_word(text);
        words.emplace_back(next.word);
        text = next.rest;
    }
    return words;
}

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(separator, begin), text.size());
        parts.emplace_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

std::string quoted(std::string_view text) {
    constexpr std::string_view kNamed = "\a\b\f\n\r\t\v\\\"";
    constexpr std::string_view kNames = "abfnrtv\\\"";
    std::string result = "\"";
    while (!text.empty()) {
        const std::size_t size = character_bytes(text);
        const std::size_t named = kNamed.find(text[0]);
        const auto byte = static_cast<std::uint8_t>(text[0]);
        if (named != kNamed.npos) {
            result += {'\\', kNames[named]};
        } else if (size == 0 || byte < 0x20 || byte == 0x7F) {
            result += fmt::format("\\x{:02x}", byte);
        } else {
            result += text.substr(0, size);
        }
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return result + '"';
}

std::string nearest_option(std::string_view typed, const std::vector<std::string>& options,
                           bool any_case) {
    if (typed.size() > kComparedBytesMax) {
        return "";
    }
    const std::string wanted = any_case ? lower_case(typed) : std::string{typed};
    std::string best;
    std::size_t best_edits = kEditsMax + 1;
    for (const std::string& option : options) {
        const std::string offered = any_case ? lower_case(option) : option;
        // The same: then the name was not what was wrong.
        if (offered == wanted) {
            return "";
        }
        if (offered.size() > wanted.size() + kEditsMax ||
            wanted.size() > offered.size() + kEditsMax) {
            continue;
        }
        if (const std::size_t distance = edit_distance(wanted, offered); distance < best_edits) {
            best = offered;
            best_edits = distance;
        }
    }
    return any_case && typed == upper_case(typed) ? upper_case(best) : best;
}

std::string did_you_mean(std::string_view typed, const std::vector<std::string>& options,
                         bool any_case) {
    const std::string nearest = nearest_option(typed, options, any_case);
    return nearest.empty() ? "" : fmt::format(" (did you mean {}?)", nearest);
}

}  // namespace lazybuild::dockerfile
