// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/history_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstddef>

namespace lazybuild::graph {
namespace {

// One code point of well-formed UTF-8 at the start of `text`: its bytes, or 0 when it is not.
std::size_t code_point(std::string_view text, std::uint32_t& value) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    const std::size_t size = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
    if (size == 0 || text.size() < size) {
        return 0;
    }
    constexpr unsigned kFirstMask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    value = first & kFirstMask[size];
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | (byte(i) & 0x3fU);
    }
    constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = value >= 0xd800 && value <= 0xdfff;
    return value < kSmallest[size] || surrogate || value > 0x10ffff ? 0 : size;
}

// What Go prints as it is. Of the code points above ASCII the control and the format characters
// that occur in practice are known; unassigned ones are printed here and escaped there.
bool is_printable(std::uint32_t value) {
    if (value < 0x7f) {
        return value >= 0x20;
    }
    const bool control = value <= 0xa0 || value == 0xad || value == 0xfeff;
    const bool format = (value >= 0x2000 && value <= 0x200f) ||
                        (value >= 0x2028 && value <= 0x202f) ||
                        (value >= 0x205f && value <= 0x206f) || value == 0x3000;
    const bool private_use = (value >= 0xe000 && value <= 0xf8ff) || value >= 0xe0000;
    return !control && !format && !private_use;
}

const char* short_escape(char character) {
    switch (character) {
        case '\a': return "\\a";
        case '\b': return "\\b";
        case '\f': return "\\f";
        case '\n': return "\\n";
        case '\r': return "\\r";
        case '\t': return "\\t";
        case '\v': return "\\v";
        case '"': return "\\\"";
        case '\\': return "\\\\";
        default: return nullptr;
    }
}

}  // namespace

std::string quoted_word(std::string_view text) {
    std::string result = "\"";
    while (!text.empty()) {
        std::uint32_t value = 0;
        const std::size_t size = code_point(text, value);
        if (size == 0) {
            result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
        } else if (const char* escape = short_escape(text[0])) {
            result += escape;
        } else if (is_printable(value)) {
            result += text.substr(0, size);
        } else if (value < 0x80) {
            result += fmt::format("\\x{:02x}", value);
        } else if (value < 0x10000) {
            result += fmt::format("\\u{:04x}", value);
        } else {
            result += fmt::format("\\U{:08x}", value);
        }
        text.remove_prefix(size == 0 ? 1 : size);
    }
    return result + "\"";
}

std::string quoted_list(const std::vector<std::string>& words) {
    std::string result = "[";
    for (const std::string& word : words) {
        result += (result.size() > 1 ? " " : "") + quoted_word(word);
    }
    return result + "]";
}

std::string plain_list(const std::vector<std::string>& words) {
    return fmt::format("[{}]", fmt::join(words, " "));
}

std::string duration_text(std::int64_t nanoseconds) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    if (nanoseconds == 0) {
        return "0s";
    }
    const auto fraction = [](std::int64_t value, std::int64_t unit) {
        std::string digits = std::to_string(value / unit);
        if (value % unit != 0) {
            std::string rest = std::to_string(unit + value % unit).substr(1);
            rest.erase(rest.find_last_not_of('0') + 1);
            digits += "." + rest;
        }
        return digits;
    };
    if (nanoseconds < 1000) {
        return fmt::format("{}ns", nanoseconds);
    }
    if (nanoseconds < 1'000'000) {
        return fraction(nanoseconds, 1000) + "µs";
    }
    if (nanoseconds < kSecond) {
        return fraction(nanoseconds, 1'000'000) + "ms";
    }
    const std::int64_t minutes = nanoseconds / (60 * kSecond);
    std::string text = fraction(nanoseconds % (60 * kSecond), kSecond) + "s";
    if (minutes > 0) {
        text = fmt::format("{}m{}", minutes % 60, text);
    }
    return minutes < 60 ? text : fmt::format("{}h{}", minutes / 60, text);
}

std::string health_text(const Health& health) {
    return fmt::format(
        "{{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
        plain_list(health.test), duration_text(health.interval_ns),
        duration_text(health.timeout_ns), duration_text(health.start_period_ns),
        duration_text(health.start_interval_ns), health.retries);
}

}  // namespace lazybuild::graph
