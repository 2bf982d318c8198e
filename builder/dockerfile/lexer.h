// SPDX-License-Identifier: Apache-2.0
// Cuts a Dockerfile into logical lines: directives read, comments and empty lines dropped,
// continued lines joined; and hands out the lines of heredocs as they are.
//
// Source: the Dockerfile reference, "Format" and "Escape", with the details of BuildKit's parser: a
// line is continued when the escape character is its last one but blanks, and none stands before
// it; comments and empty lines inside a continued line do not end it; nothing is put between the
// joined parts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/directives.h"
#include "builder/dockerfile/instructions.h"

namespace lazybuild::dockerfile {

inline constexpr std::size_t kLineBytesMax = 65535;

struct LogicalLine {
    std::string text;  ///< without blanks before it
    Lines lines;
    std::vector<std::string> comments;  ///< above it, without '#', trimmed
    bool empty_continuation = false;
};

class Lexer {
  public:
    /// Borrows `source`. `escape` holds until a directive says otherwise.
    explicit Lexer(std::string_view source, char escape = '\\');

    /// The next logical line; nothing at the end. Errors: invalid_argument for directives,
    /// argument_out_of_domain for a line that is too long; both about line_number().
    Result<std::optional<LogicalLine>> next();

    /// The lines up to the one that is `terminator` (after tabs, if `after_tabs`), with their ends.
    /// Errors: invalid_argument when there is none; as above.
    Result<std::string> heredoc(std::string_view terminator, bool after_tabs);

    const Directives& directives() const { return reader_.directives(); }
    char escape() const;
    /// Of the line that was read last.
    std::uint32_t line_number() const { return number_; }

  private:
    Result<std::optional<std::string_view>> read_line();
    Result<void> join_continuation(LogicalLine& logical);
    bool cut_continuation(std::string_view& line) const;

    std::string_view rest_;
    std::uint32_t number_ = 0;
    char escape_given_;
    DirectiveReader reader_;
    std::vector<std::string> comments_;
};

}  // namespace lazybuild::dockerfile
