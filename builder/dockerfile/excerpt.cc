// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/excerpt.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace lazybuild::dockerfile {
namespace {

constexpr std::uint32_t kMarkedLinesMax = 40;
constexpr std::size_t kShownBytesMax = 400;  // of one line
constexpr std::string_view kRule = "--------------------\n";

std::string shown(std::uint32_t number, bool marked, std::string_view line) {
    line = line.substr(0, line.find_last_not_of('\r') + 1);
    if (line.empty()) {
        return fmt::format(" {:3} |{}\n", number, marked ? " >>>" : "");
    }
    std::size_t size = std::min(line.size(), kShownBytesMax);
    // Not in the middle of a character.
    while (size > 0 && size < line.size() &&
           (static_cast<unsigned char>(line[size]) & 0xC0) == 0x80) {
        --size;
    }
    return fmt::format(" {:3} | {} {}{}\n", number, marked ? ">>>" : "   ", line.substr(0, size),
                       size < line.size() ? "…" : "");
}

std::string marked_lines(std::string_view source, Lines lines) {
    const auto count = static_cast<std::uint32_t>(std::ranges::count(source, '\n') +
                                                  (source.ends_with('\n') ? 0 : 1));
    lines.last = std::max(lines.first, std::min(lines.last, count));
    if (lines.first == 0 || lines.first > count) {
        return "";
    }
    // A single line says little without its neighbours.
    const std::uint32_t around = lines.first == lines.last ? 2 : 1;
    const std::uint32_t first = lines.first > around ? lines.first - around : 1;
    const std::uint32_t last = std::min(lines.last + around, count);
    std::string text{kRule};
    std::uint32_t number = 1;
    for (std::size_t begin = 0; number <= last; ++number) {
        const std::size_t end = std::min(source.find('\n', begin), source.size());
        const bool marked = number >= lines.first && number <= lines.last;
        const bool skipped = marked && number - lines.first >= kMarkedLinesMax;
        if (number >= first && !skipped) {
            text += shown(number, marked, source.substr(begin, end - begin));
        } else if (skipped && number - lines.first == kMarkedLinesMax) {
            text += fmt::format("     | ... {} more lines\n", lines.last - number + 1);
        }
        begin = end + 1;
    }
    return text += kRule;
}

}  // namespace

std::string excerpt(std::string_view source, std::string_view name, Lines lines) {
    const std::string text = marked_lines(source, lines);
    return text.empty() ? "" : fmt::format("{}:{}\n{}", name, lines.first, text);
}

std::string excerpt(const Dockerfile& file, Lines lines) {
    return excerpt(file.source, file.name, lines);
}

Error located(Error error, std::string_view source, std::string_view name, Lines lines) {
    const std::string text = marked_lines(source, lines);
    error.message = lines.first == 0 ? fmt::format("{}: {}", name, error.message)
                                     : fmt::format("{}:{}: {}", name, lines.first, error.message);
    if (!text.empty()) {
        error.message += "\n" + text;
    }
    return error;
}

Error located(Error error, const Dockerfile& file, Lines lines) {
    return located(std::move(error), file.source, file.name, lines);
}

}  // namespace lazybuild::dockerfile
