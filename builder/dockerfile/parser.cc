// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/parser.h"

#include <fmt/format.h>

#include <optional>
#include <utility>
#include <variant>

#include "builder/dockerfile/excerpt.h"
#include "builder/dockerfile/instruction_parser.h"
#include "builder/dockerfile/lexer.h"
#include "builder/dockerfile/text.h"

namespace lazybuild::dockerfile {
namespace {

// The statement of a logical line; reads its heredocs, whose end becomes the line's end.
Result<Statement> read_statement(Lexer& lexer, LogicalLine& line) {
    Statement statement = split_statement(line.text, lexer.escape());
    TRY(const std::vector<HeredocMark> marks, heredocs_of(statement));
    for (const HeredocMark& mark : marks) {
        auto content = lexer.heredoc(mark.name, mark.cut_tabs);
        line.lines.last = lexer.line_number();
        if (!content) {
            return fail(std::move(content).error());
        }
        statement.heredocs.push_back({mark, std::move(*content)});
    }
    return statement;
}

Instruction make_instruction(AnyInstruction what, const Statement& statement, LogicalLine line) {
    return Instruction{.what = std::move(what),
                       .lines = line.lines,
                       .text = text_for_people(statement),
                       .keyword = statement.keyword,
                       .skipped_checks = skipped_checks(line.comments),
                       .comments = std::move(line.comments)};
}

class FileParser {
  public:
    explicit FileParser(Dockerfile file) : file_(std::move(file)), lexer_(file_.source) {}
    FileParser(const FileParser&) = delete;  // the lexer borrows the file
    FileParser& operator=(const FileParser&) = delete;
    ~FileParser() = default;

    Result<Dockerfile> parse() {
        for (;;) {
            auto line = lexer_.next();
            if (!line) {
                const Lines here{lexer_.line_number(), lexer_.line_number()};
                return fail(located(std::move(line).error(), file_, here));
            }
            if (!*line) {
                return finish();
            }
            if (++instructions_ > kInstructionsMax) {
                return fail(
                    located(over_limit(fmt::format("a Dockerfile has at most {} instructions",
                                                   kInstructionsMax)),
                            file_, (*line)->lines));
            }
            // take() moves the line's end over heredocs, which an error shall show too.
            if (auto taken = take(**line); !taken) {
                return fail(located(std::move(taken).error(), file_, (*line)->lines));
            }
        }
    }

  private:
    Result<void> take(LogicalLine& line) {
        TRY(const Statement statement, read_statement(lexer_, line));
        if (line.empty_continuation) {
            file_.empty_continuations.push_back(line.lines);
        }
        if (lower_case(statement.keyword) == "from") {
            return begin_stage(statement, line);
        }
        TRY(AnyInstruction what, parse_statement(statement));
        if (!file_.stages.empty()) {
            file_.stages.back().instructions.push_back(
                make_instruction(std::move(what), statement, line));
        } else if (std::holds_alternative<Arg>(what)) {
            file_.global_arguments.push_back(make_instruction(std::move(what), statement, line));
        } else {
            return fail(invalid("no build stage in current context"));
        }
        return {};
    }

    Result<void> begin_stage(const Statement& statement, const LogicalLine& line) {
        TRY(From from, parse_from(statement));
        if (file_.stages.size() == kStagesMax) {
            return fail(over_limit(fmt::format("a Dockerfile has at most {} stages", kStagesMax)));
        }
        file_.stages.push_back(Stage{.from = std::move(from),
                                     .lines = line.lines,
                                     .text = statement.text,
                                     .keyword = statement.keyword,
                                     .skipped_checks = skipped_checks(line.comments),
                                     .comments = line.comments});
        return {};
    }

    Result<Dockerfile> finish() {
        if (instructions_ == 0) {
            return fail(located(invalid("file with no instructions"), file_, {}));
        }
        if (file_.stages.empty()) {
            return fail(located(invalid("dockerfile contains no stages to build"), file_, {}));
        }
        file_.directives = lexer_.directives();
        if (auto syntax = detect_syntax(file_.source)) {
            file_.directives.syntax = std::move(syntax->value);
            file_.directives.syntax_lines = syntax->lines;
        }
        return std::move(file_);
    }

    Dockerfile file_;
    Lexer lexer_;
    std::size_t instructions_ = 0;
};

}  // namespace

Result<Dockerfile> parse(std::string_view source, std::string name) {
    if (source.empty()) {
        return fail(invalid(name + ": the Dockerfile cannot be empty"));
    }
    if (source.size() > kDockerfileBytesMax) {
        return fail(over_limit(fmt::format("{}: {} bytes; a Dockerfile has at most {}", name,
                                           source.size(), kDockerfileBytesMax)));
    }
    FileParser parser(Dockerfile{.name = std::move(name), .source = std::string{source}});
    return parser.parse();
}

Result<Instruction> parse_instruction(std::string_view text, char escape) {
    if (text.size() > kDockerfileBytesMax) {
        return fail(over_limit(
            fmt::format("an ONBUILD trigger has at most {} bytes", kDockerfileBytesMax)));
    }
    Lexer lexer(text, escape);
    TRY(std::optional<LogicalLine> line, lexer.next());
    if (!line) {
        return fail(invalid("file with no instructions"));
    }
    TRY(const Statement statement, read_statement(lexer, *line));
    const std::string keyword = upper_case(statement.keyword);
    if (keyword == "FROM" || keyword == "ONBUILD" || keyword == "MAINTAINER") {
        return fail(invalid(fmt::format("{} isn't allowed as an ONBUILD trigger", keyword)));
    }
    TRY(AnyInstruction what, parse_statement(statement));
    TRY(const std::optional<LogicalLine> more, lexer.next());
    if (more) {
        return fail(invalid("onbuild trigger should be a single expression"));
    }
    return make_instruction(std::move(what), statement, std::move(*line));
}

}  // namespace lazybuild::dockerfile
