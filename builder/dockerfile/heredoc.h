// SPDX-License-Identifier: Apache-2.0
// Heredocs: finding them in the line of an instruction. Their lines are read by the lexer.
//
// Source: the Dockerfile reference, "Here-Documents".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lazybuild::dockerfile {

/// "3<<-'EOF'"
struct HeredocMark {
    std::string name;
    bool expand = true;     ///< no part of the name is quoted
    bool cut_tabs = false;  ///< "<<-"
};

/// `word` as a whole; nothing when it is no heredoc.
std::optional<HeredocMark> parse_heredoc_mark(std::string_view word);

/// Those of a whole line, from left to right.
std::vector<HeredocMark> find_heredocs(std::string_view line);

/// Every line without the tabs that it begins with.
std::string without_leading_tabs(std::string_view content);

}  // namespace lazybuild::dockerfile
