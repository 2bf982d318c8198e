// SPDX-License-Identifier: Apache-2.0
// One logical line taken apart: keyword, flags, arguments, each kind of instruction in its form.
//
// Source: the Dockerfile reference, instruction by instruction; messages are BuildKit's.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "builder/dockerfile/heredoc.h"
#include "builder/dockerfile/instructions.h"

namespace lazybuild::dockerfile {

struct HeredocText {
    HeredocMark mark;
    std::string content;  ///< as it stands in the file
};

/// A logical line whose instruction nobody has looked at yet.
struct Statement {
    std::string keyword;             ///< as written
    std::vector<std::string> flags;  ///< without their quotes
    std::string rest;                ///< the arguments, trimmed
    std::string text;                ///< the whole line, trimmed
    char escape = '\\';
    std::vector<HeredocText> heredocs;
};

Statement split_statement(std::string_view line, char escape);

/// The heredocs that follow the statement: none for an instruction that takes none.
/// Errors: invalid_argument (an array in JSON that is none of strings).
Result<std::vector<HeredocMark>> heredocs_of(const Statement& statement);

using AnyInstruction = decltype(Instruction::what);

/// Errors: invalid_argument, without a place: the caller knows the lines.
Result<From> parse_from(const Statement& statement);
Result<AnyInstruction> parse_statement(const Statement& statement);

/// The line for people, with what a RUN of one heredoc begins with: "RUN <<EOF (make...)".
std::string text_for_people(const Statement& statement);

}  // namespace lazybuild::dockerfile
