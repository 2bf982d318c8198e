// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "builder/dockerfile/text.h"

namespace lazybuild::dockerfile {
namespace {

std::string_view without_line_end(std::string_view line) {
    return line.substr(0, line.find_last_not_of("\r\n") + 1);
}

}  // namespace

Lexer::Lexer(std::string_view source, char escape) : rest_(source), escape_given_(escape) {
    if (rest_.starts_with("\xEF\xBB\xBF")) {
        rest_.remove_prefix(3);
    }
}

char Lexer::escape() const {
    const char directive = directives().escape;
    return directive == '\\' ? escape_given_ : directive;
}

// With its end.
Result<std::optional<std::string_view>> Lexer::read_line() {
    if (rest_.empty()) {
        return std::nullopt;
    }
    ++number_;
    const std::size_t end = rest_.find('\n');
    const std::size_t size = end == rest_.npos ? rest_.size() : end;
    if (size > kLineBytesMax) {
        return fail(over_limit(
            fmt::format("dockerfile line greater than max allowed size of {}", kLineBytesMax)));
    }
    const std::string_view line = rest_.substr(0, end == rest_.npos ? size : size + 1);
    rest_.remove_prefix(line.size());
    return line;
}

// True, and `line` without the escape character, when the line goes on on the next one.
bool Lexer::cut_continuation(std::string_view& line) const {
    const std::size_t last = line.find_last_not_of(" \t");
    if (last == line.npos || line[last] != escape() || (last > 0 && line[last - 1] == escape())) {
        return false;
    }
    line = line.substr(0, last);
    return true;
}

Result<std::optional<LogicalLine>> Lexer::next() {
    for (;;) {
        TRY(const std::optional<std::string_view> physical, read_line());
        if (!physical) {
            return std::nullopt;
        }
        std::string_view line = trim_left(without_line_end(*physical));
        TRY(const bool directive, reader_.take(line, number_));
        if (directive) {
            continue;
        }
        if (line.starts_with('#')) {
            const std::string_view comment = trim(line.substr(1));
            if (comment.empty()) {
                comments_.clear();
            } else {
                comments_.emplace_back(comment);
            }
            continue;
        }
        const bool continued = cut_continuation(line);
        if (!continued && line.empty()) {
            continue;
        }
        LogicalLine logical{.text = std::string{line},
                            .lines = {number_, number_},
                            .comments = std::exchange(comments_, {})};
        if (continued) {
            CHECK_OK(join_continuation(logical));
        }
        return logical;
    }
}

Result<void> Lexer::join_continuation(LogicalLine& logical) {
    for (bool continued = true; continued;) {
        TRY(const std::optional<std::string_view> physical, read_line());
        if (!physical) {
            break;
        }
        std::string_view line = without_line_end(*physical);
        if (trim_left(line).starts_with('#')) {
            continue;
        }
        if (trim_left(line).empty()) {
            logical.empty_continuation = true;
            continue;
        }
        continued = cut_continuation(line);
        logical.text += line;
    }
    logical.lines.last = number_;
    return {};
}

Result<std::string> Lexer::heredoc(std::string_view terminator, bool after_tabs) {
    std::string content;
    for (;;) {
        TRY(const std::optional<std::string_view> physical, read_line());
        if (!physical) {
            return fail(invalid("unterminated heredoc"));
        }
        std::string_view line = without_line_end(*physical);
        if (after_tabs) {
            line.remove_prefix(std::min(line.find_first_not_of('\t'), line.size()));
        }
        if (line == terminator) {
            return content;
        }
        content += *physical;
    }
}

}  // namespace lazybuild::dockerfile
