// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/parser.h"

#include <gtest/gtest.h>

#include <variant>

namespace lazybuild::dockerfile {
namespace {

using List = std::vector<std::string>;

Dockerfile parsed(std::string_view source) {
    auto file = parse(source, "Dockerfile");
    EXPECT_TRUE(file) << source << "\n" << (file ? "" : file.error().message);
    return file ? std::move(*file) : Dockerfile{};
}

// The one instruction of a stage.
template <class Kind>
Kind only(std::string_view source) {
    const Dockerfile file = parsed("FROM scratch\n" + std::string{source});
    if (file.stages.empty() || file.stages[0].instructions.size() != 1) {
        ADD_FAILURE() << source;
        return {};
    }
    const auto* kind = std::get_if<Kind>(&file.stages[0].instructions[0].what);
    EXPECT_NE(kind, nullptr) << source;
    return kind != nullptr ? *kind : Kind{};
}

struct Case {
    std::string_view source;
    std::string_view message;
};

void expect_errors(std::initializer_list<Case> cases) {
    for (const Case& one : cases) {
        const auto file = parse(one.source, "Dockerfile");
        ASSERT_FALSE(file) << one.source;
        EXPECT_NE(file.error().message.find(one.message), std::string::npos)
            << one.source << "\n"
            << file.error().message;
    }
}

// As expect_errors, with the instruction in a stage.
void expect_instruction_errors(std::initializer_list<Case> cases) {
    for (const Case& one : cases) {
        const auto file = parse("FROM scratch\n" + std::string{one.source}, "Dockerfile");
        ASSERT_FALSE(file) << one.source;
        EXPECT_NE(file.error().message.find("Dockerfile:2: " + std::string{one.message}),
                  std::string::npos)
            << one.source << "\n"
            << file.error().message;
    }
}

TEST(Parser, cuts_a_file_into_stages) {
    const Dockerfile file = parsed(
        "ARG base=alpine\nFROM $base AS Build\nRUN make\n\nFROM --platform=$BUILDPLATFORM "
        "scratch\nCOPY --from=build /x /y\n# end\nCMD [\"/y\"]\n");
    ASSERT_EQ(file.global_arguments.size(), 1);
    ASSERT_EQ(file.stages.size(), 2);
    EXPECT_EQ(file.stages[0].from.base, "$base");
    EXPECT_EQ(file.stages[0].from.name, "build");
    EXPECT_EQ(file.stages[0].from.name_as_written, "Build");
    EXPECT_EQ(file.stages[0].from.as_keyword, "AS");
    EXPECT_EQ(file.stages[0].instructions.size(), 1);
    EXPECT_EQ(file.stages[1].from.platform, "$BUILDPLATFORM");
    EXPECT_EQ(file.stages[1].from.name, "");
    ASSERT_EQ(file.stages[1].instructions.size(), 2);
    EXPECT_EQ(file.stages[1].instructions[1].lines.first, 8);
    EXPECT_EQ(file.stages[1].instructions[1].lines.last, 8);
    EXPECT_EQ(file.stages[1].instructions[1].text, "CMD [\"/y\"]");
}

TEST(Parser, refuses_files_without_a_stage) {
    expect_errors({{"", "the Dockerfile cannot be empty"},
                   {"\n\n", "file with no instructions"},
                   {"# only\n", "file with no instructions"},
                   {"ARG a\n", "dockerfile contains no stages to build"},
                   {"RUN x\nFROM y\n", "no build stage in current context"}});
}

TEST(Parser, joins_continued_lines) {
    const Dockerfile file = parsed(
        "FROM scratch\nRUN a \\\n  b\\\n# comment\n   # another\n\nc \\ \t\nd\nRUN \\\n x\nRUN "
        "e\\\\\n");
    const auto& instructions = file.stages[0].instructions;
    ASSERT_EQ(instructions.size(), 3);
    EXPECT_EQ(std::get<dockerfile::Run>(instructions[0].what).command.words, List{"a   bc d"});
    EXPECT_EQ(instructions[0].lines.first, 2);
    EXPECT_EQ(instructions[0].lines.last, 8);
    EXPECT_EQ(std::get<dockerfile::Run>(instructions[1].what).command.words, List{"x"});
    EXPECT_EQ(std::get<dockerfile::Run>(instructions[2].what).command.words, List{"e\\\\"});
    ASSERT_EQ(file.empty_continuations.size(), 1);
    EXPECT_EQ(file.empty_continuations[0].last, 8);
}

TEST(Parser, ends_a_continued_line_with_the_file) {
    EXPECT_EQ(only<dockerfile::Run>("RUN a \\").command.words, List{"a"});
    EXPECT_EQ(only<dockerfile::Run>("RUN a \\\n").command.words, List{"a"});
}

TEST(Parser, reads_lines_that_end_in_any_way) {
    const Dockerfile file = parsed(
        "\xEF\xBB\xBF"
        "FROM scratch\r\nRUN a \\\r\n b\r\n\r\nCMD x");
    ASSERT_EQ(file.stages[0].instructions.size(), 2);
    EXPECT_EQ(std::get<dockerfile::Run>(file.stages[0].instructions[0].what).command.words,
              List{"a  b"});
    EXPECT_EQ(file.stages[0].instructions[1].text, "CMD x");
}

TEST(Parser, reads_directives_at_the_top_only) {
    Dockerfile file = parsed(
        "# syntax = docker/dockerfile:1 --x\n#EsCaPe=`\n# check=skip=all\nFROM a\nRUN b `\n c\n");
    EXPECT_EQ(file.directives.syntax, "docker/dockerfile:1 --x");
    EXPECT_EQ(file.directives.escape, '`');
    EXPECT_EQ(file.directives.check, "skip=all");
    EXPECT_EQ(file.directives.check_lines.first, 3);
    EXPECT_EQ(file.stages[0].instructions[0].text, "RUN b  c");
    for (const char* before : {"\n", "# plain\n", "# unknown=x\n", "#\n"}) {
        file = parsed(before + std::string{"# escape=`\nFROM a\n"});
        EXPECT_EQ(file.directives.escape, '\\') << before;
    }
    EXPECT_EQ(parsed("#!/bin/x\n# syntax=y\nFROM a\n").directives.syntax, "y");
    expect_errors({{"# escape=`\n# escape=`\nFROM a\n",
                    "Dockerfile:2: only one escape parser directive can be used"},
                   {"# escape=x\nFROM a\n",
                    "Dockerfile:1: invalid escape token 'x' does not match ` or \\"}});
}

TEST(Parser, shows_the_lines_of_an_error) {
    const auto file = parse("FROM scratch\nRUN a\n\nRUNN b \\\n  c\nCMD d\n", "Dockerfile");
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().message,
              "Dockerfile:4: unknown instruction: RUNN (did you mean RUN?)\n"
              "--------------------\n"
              "   3 |\n"
              "   4 | >>> RUNN b \\\n"
              "   5 | >>>   c\n"
              "   6 |     CMD d\n"
              "--------------------\n");
}

TEST(Parser, says_what_is_wrong_with_an_instruction) {
    expect_instruction_errors({
        {"FOO x", "unknown instruction: FOO"},
        {"copyy a b", "unknown instruction: copyy (did you mean copy?)"},
        {"FROM", "FROM requires either one or three arguments"},
        {"FROM a b", "FROM requires either one or three arguments"},
        {"FROM a of b", "FROM requires either one or three arguments"},
        {"FROM a AS 1b", "invalid name for build stage: \"1b\", name can't start with a number"},
        {"FROM a AS b/c", "invalid name for build stage: \"b/c\""},
        {"FROM --plattform=x a", "unknown flag: --plattform (did you mean platform?)"},
        {"COPY a",
         "COPY requires at least two arguments, but only one was provided. Destination "
         "could not be determined"},
        {"ADD a", "ADD requires at least two arguments, but only one was provided"},
        {"COPY [\"a\"]", "COPY requires at least two arguments"},
        {"COPY [\"a\", 1]", "when using JSON array syntax, arrays must be comprised of strings"},
        {"COPY --from a b", "missing a value on flag: --from"},
        {"COPY --fron=a b c", "unknown flag: --fron (did you mean from?)"},
        {"COPY --from=a --from=b c d", "duplicate flag specified: --from"},
        {"COPY --link=x a b", "expecting boolean value for flag --link, not: x"},
        {"COPY --link= a b", "missing a value on flag: --link"},
        {"COPY --keep-git-dir a b", "unknown flag: --keep-git-dir"},
        {"ADD --from=x a b", "unknown flag: --from"},
        {"ADD --parents a b", "unknown flag: --parents"},
        {"COPY a <<EOF\nEOF", "COPY cannot accept a heredoc as a destination"},
        {"RUN [\"a\", 1]", "when using JSON array syntax, arrays must be comprised of strings"},
        {"RUN --network=x a", "invalid network mode \"x\""},
        {"RUN --security=x a", "security \"x\" is not valid"},
        {"RUN --foo a", "unknown flag: --foo"},
        {"RUN --mount=from=$x a", "'from' doesn't support variable expansion, define alias stage"},
        {"RUN --mount=a\\\"b a",
         "failed to parse csv mounts: parse error on column 2: bare \" in non-quoted field"},
        {"CMD --foo", "unknown flag: --foo"},
        {"ENV", "ENV requires at least one argument"},
        {"ENV a", "ENV must have two arguments"},
        {"ENV a=b c", "Syntax error - can't find = in \"c\". Must be of the form: name=value"},
        {"ENV =b", "ENV names can not be blank"},
        {"LABEL", "LABEL requires at least one argument"},
        {"LABEL a", "LABEL must have two arguments"},
        {"ARG", "ARG requires at least one argument"},
        {"ARG =x", "ARG names can not be blank"},
        {"WORKDIR", "WORKDIR requires exactly one argument"},
        {"USER", "USER requires exactly one argument"},
        {"STOPSIGNAL", "STOPSIGNAL requires exactly one argument"},
        {"MAINTAINER", "MAINTAINER requires exactly one argument"},
        {"VOLUME", "VOLUME requires at least one argument"},
        {"VOLUME []", "VOLUME requires at least one argument"},
        {"VOLUME [\" \"]", "VOLUME specified can not be an empty string"},
        {"EXPOSE", "EXPOSE requires at least one argument"},
        {"SHELL", "SHELL requires at least one argument"},
        {"SHELL []", "SHELL requires at least one argument"},
        {"SHELL sh -c", "SHELL requires the arguments to be in JSON form"},
        {"ONBUILD", "ONBUILD requires at least one argument"},
        {"ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"},
        {"ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"},
        {"ONBUILD maintainer x", "MAINTAINER isn't allowed as an ONBUILD trigger"},
        {"ONBUILD COPY x", "COPY requires at least two arguments"},
        {"HEALTHCHECK", "HEALTHCHECK requires at least one argument"},
        {"HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"},
        {"HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"},
        {"HEALTHCHECK CMD []", "Missing command after HEALTHCHECK CMD"},
        {"HEALTHCHECK curl x", "Unknown type \"CURL\" in HEALTHCHECK (try CMD)"},
        {"HEALTHCHECK --interval=5 CMD x", "time: missing unit in duration \"5\""},
        {"HEALTHCHECK --interval=5q CMD x", "time: unknown unit \"q\" in duration \"5q\""},
        {"HEALTHCHECK --interval=x CMD x", "time: invalid duration \"x\""},
        {"HEALTHCHECK --timeout=1us CMD x", "Interval \"timeout\" cannot be less than 1ms"},
        {"HEALTHCHECK --timeout=-1s CMD x", "Interval \"timeout\" cannot be less than 1ms"},
        {"HEALTHCHECK --retries=-1 CMD x", "--retries cannot be negative (-1)"},
        {"HEALTHCHECK --retries=x CMD x", "--retries is not a number: \"x\""},
    });
}

}  // namespace
}  // namespace lazybuild::dockerfile
