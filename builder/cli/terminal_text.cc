// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/terminal_text.h"

#include <cstdint>

namespace lazybuild::cli {
namespace {

constexpr std::size_t kTabColumns = 8;

struct Letter {
    char32_t code = 0;
    std::size_t size_bytes = 1;
    bool valid = false;
};

// One UTF-8 sequence at the beginning of `text`, which is not empty. RFC 3629.
Letter first_letter(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t lead = byte(0);
    if (lead < 0x80) {
        return {.code = lead, .size_bytes = 1, .valid = true};
    }
    const std::size_t size_bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < size_bytes) {
        return {};
    }
    char32_t code = lead & (0xffU >> (size_bytes + 1));
    for (std::size_t i = 1; i < size_bytes; ++i) {
        if ((byte(i) & 0xc0U) != 0x80) {
            return {};
        }
        code = (code << 6U) | (byte(i) & 0x3fU);
    }
    const bool shortest = code >= (size_bytes == 4 ? 0x10000U : size_bytes == 3 ? 0x800U : 0x80U);
    const bool surrogate = code >= 0xd800 && code <= 0xdfff;
    if (!shortest || surrogate || code > 0x10ffff) {
        return {};
    }
    return {.code = code, .size_bytes = size_bytes, .valid = true};
}

// C0 and C1 controls, and characters that turn the direction of text around.
bool is_control(char32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0x200e || code == 0x200f;
}

std::size_t width_of(char32_t code) {
    const bool combining = code >= 0x300 && code <= 0x36f;
    const bool wide = (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) ||
                      (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff) ||
                      (code >= 0xff00 && code <= 0xff60) || (code >= 0x1f300 && code <= 0x1faff);
    return combining ? 0 : wide ? 2 : 1;
}

// Bytes of the escape sequence that `text` begins with (ECMA-48): CSI, strings such as OSC that
// end in BEL or ST, or two bytes.
std::size_t escape_size(std::string_view text) {
    if (text.size() < 2) {
        return text.size();
    }
    const char kind = text[1];
    std::size_t end = 2;
    if (kind == '[') {
        while (end < text.size() && (text[end] < 0x40 || text[end] > 0x7e)) {
            ++end;
        }
        return std::min(end + 1, text.size());
    }
    if (kind == ']' || kind == 'P' || kind == '^' || kind == '_' || kind == 'X') {
        while (end < text.size() && text[end] != '\a' && text[end] != '\x1b') {
            ++end;
        }
        const bool terminated = end + 1 < text.size() && text[end] == '\x1b';
        return std::min(end + (terminated ? 2 : 1), text.size());
    }
    return end;
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    std::size_t columns = 0;
    while (!text.empty()) {
        if (text.front() == '\x1b') {
            text.remove_prefix(escape_size(text));
            continue;
        }
        const Letter letter = first_letter(text);
        if (!letter.valid) {
            out += '?';
            ++columns;
        } else if (letter.code == '\t') {
            const std::size_t blanks = kTabColumns - columns % kTabColumns;
            out.append(blanks, ' ');
            columns += blanks;
        } else if (!is_control(letter.code)) {
            out += text.substr(0, letter.size_bytes);
            columns += width_of(letter.code);
        }
        text.remove_prefix(letter.size_bytes);
    }
    return out;
}

std::size_t columns_of(std::string_view text) {
    std::size_t columns = 0;
    while (!text.empty()) {
        const Letter letter = first_letter(text);
        columns += letter.valid ? width_of(letter.code) : 1;
        text.remove_prefix(letter.size_bytes);
    }
    return columns;
}

std::string cut_to(std::string_view text, std::size_t columns_max) {
    if (columns_of(text) <= columns_max) {
        return std::string(text);
    }
    std::string out;
    std::size_t columns = 0;
    while (!text.empty()) {
        const Letter letter = first_letter(text);
        const std::size_t width = letter.valid ? width_of(letter.code) : 1;
        if (columns + width + 1 > columns_max) {
            break;
        }
        out += text.substr(0, letter.size_bytes);
        columns += width;
        text.remove_prefix(letter.size_bytes);
    }
    return columns_max == 0 ? "" : out + "…";
}

}  // namespace lazybuild::cli
