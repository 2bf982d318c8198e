// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/lexer.h"

#include <gtest/gtest.h>

#include "builder/dockerfile/excerpt.h"
#include "builder/dockerfile/parser.h"

namespace lazybuild::dockerfile {
namespace {

using List = std::vector<std::string>;

List lines(std::string_view source, char escape = '\\') {
    Lexer lexer(source, escape);
    List result;
    for (;;) {
        const auto line = lexer.next();
        EXPECT_TRUE(line) << source;
        if (!line || !*line) {
            return result;
        }
        result.push_back((*line)->text);
    }
}

TEST(Lexer, joins_what_the_escape_character_continues) {
    const struct {
        std::string_view source;
        List lines;
    } cases[]{{"a\nb\n", {"a", "b"}},
              {"a\n\n \n# c\n  b", {"a", "b"}},
              {"a\\\nb\n", {"ab"}},
              {"a \\\n  b\n", {"a   b"}},
              {"a\\ \t\nb\n", {"ab"}},
              {"a\\\\\nb\n", {"a\\\\", "b"}},
              {"a\\\\\\\nb\n", {"a\\\\\\", "b"}},
              {"\\\na\n", {"a"}},
              {"\\\n\\\na\n", {"a"}},
              {"a\\\n\\\nb\n", {"ab"}},
              {"a\\\n#b\nc\n", {"ac"}},
              {"a\\\n  # b \\\nc\n", {"ac"}},
              {"a\\\n\n\nb\n", {"ab"}},
              {"a\\\n", {"a"}},
              {"a # b\n", {"a # b"}},
              {"a\\b\n", {"a\\b"}},
              {"  a  \n", {"a  "}},
              {"a\r\n", {"a"}},
              {"a\r", {"a"}},
              {"", {}}};
    for (const auto& one : cases) {
        EXPECT_EQ(lines(one.source), one.lines) << one.source;
    }
    EXPECT_EQ(lines("a`\nb\\\nc\n", '`'), (List{"ab\\", "c"}));
    EXPECT_EQ(lines("# escape=`\na`\nb\\\nc\n"), (List{"ab\\", "c"}));
}

TEST(Lexer, refuses_lines_that_are_too_long) {
    EXPECT_EQ(lines(std::string(kLineBytesMax, 'a') + "\n").size(), 1);
    const std::string source = "FROM a\nRUN " + std::string(kLineBytesMax, 'a') + "\n";
    const auto file = parse(source, "Dockerfile");
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, std::errc::argument_out_of_domain);
    EXPECT_TRUE(file.error().message.starts_with(
        "Dockerfile:2: dockerfile line greater than max allowed size of 65535\n"));
    EXPECT_FALSE(parse("FROM a\nRUN <<E\n" + std::string(kLineBytesMax + 1, 'a') + "\nE\n", "x"));
    std::string joined = "FROM a\nRUN a";
    for (int i = 0; i < 3; ++i) {
        joined += "\\\n" + std::string(kLineBytesMax - 1, 'b');
    }
    EXPECT_TRUE(parse(joined, "x")) << "the limit is of a line in the file";
}

TEST(Lexer, has_limits) {
    EXPECT_EQ(parse(std::string(kDockerfileBytesMax + 1, '\n'), "x").error().code,
              std::errc::argument_out_of_domain);
    std::string stages;
    for (std::size_t i = 0; i <= kStagesMax; ++i) {
        stages += "FROM a\n";
    }
    EXPECT_EQ(parse(stages, "x").error().code, std::errc::argument_out_of_domain);
    EXPECT_TRUE(parse(stages.substr(7), "x"));
    std::string instructions = "FROM a\n";
    for (std::size_t i = 0; i < kInstructionsMax; ++i) {
        instructions += "RUN\n";
    }
    EXPECT_EQ(parse(instructions, "x").error().code, std::errc::argument_out_of_domain);
}

TEST(Lexer, shows_heredocs_that_do_not_end) {
    const auto file = parse("FROM a\nRUN <<EOF\nx\ny\n", "Dockerfile");
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().message,
              "Dockerfile:2: unterminated heredoc\n"
              "--------------------\n"
              "   1 |     FROM a\n"
              "   2 | >>> RUN <<EOF\n"
              "   3 | >>> x\n"
              "   4 | >>> y\n"
              "--------------------\n");
}

TEST(Lexer, excerpts_show_what_is_around) {
    const std::string_view source = "1\n2\n3\n4\n5\n6\n7\n";
    EXPECT_EQ(excerpt(source, "Dockerfile", {4, 4}),
              "Dockerfile:4\n--------------------\n   2 |     2\n   3 |     3\n   4 | >>> 4\n   5 "
              "|     5\n   6 |     6\n--------------------\n");
    EXPECT_EQ(excerpt(source, "D", {1, 2}),
              "D:1\n--------------------\n   1 | >>> 1\n   2 | >>> 2\n   3 |     "
              "3\n--------------------\n");
    EXPECT_EQ(excerpt(source, "D", {7, 99}),
              "D:7\n--------------------\n   5 |     5\n   6 |     6\n   7 | >>> "
              "7\n--------------------\n");
    EXPECT_EQ(excerpt(source, "D", {0, 0}), "");
    EXPECT_EQ(excerpt(source, "D", {8, 9}), "");
    EXPECT_EQ(excerpt("", "D", {1, 1}),
              "D:1\n--------------------\n   1 | >>>\n" + std::string(20, '-') + "\n");
    std::string many;
    for (int i = 0; i < 100; ++i) {
        many += "x\n";
    }
    const std::string text = excerpt(many, "D", {1, 100});
    EXPECT_NE(text.find("  40 | >>> x\n     | ... 60 more lines\n-----"), std::string::npos)
        << text;
    EXPECT_NE(excerpt(std::string(5000, 'x'), "D", {1, 1}).find("xx…\n"), std::string::npos);
    EXPECT_NE(excerpt(std::string(399, 'x') + "äöü", "D", {1, 1}).find("xx…\n"), std::string::npos);
}

TEST(Lexer, finds_syntax_wherever_it_may_stand) {
    const struct {
        std::string_view source;
        std::string_view value;
        std::uint32_t line;
    } cases[]{{"# syntax=a\n", "a", 1},           {"#syntax = a b \nFROM x", "a b", 1},
              {"# escape=`\n# SYNTAX=a", "a", 2}, {"\xEF\xBB\xBF# syntax=a\n", "a", 1},
              {"#!/bin/x\n# syntax=a\n", "a", 2}, {"// syntax=a\n", "a", 1},
              {"#!/bin/x\n//syntax=a\n", "a", 2}, {"{\"a\": 1, \"syntax\": \"b\"}", "b", 1}};
    for (const auto& one : cases) {
        const auto syntax = detect_syntax(one.source);
        ASSERT_TRUE(syntax) << one.source;
        EXPECT_EQ(syntax->value, one.value) << one.source;
        EXPECT_EQ(syntax->lines.first, one.line) << one.source;
    }
    for (const std::string_view none :
         {"", "\n# syntax=a", "# x\n# syntax=a", " # syntax=a", "# syntax=", "# foo=b\n# syntax=a",
          "{\"syntax\": 1}", "{", "/ syntax=a", "FROM a\n# syntax=b"}) {
        EXPECT_FALSE(detect_syntax(none)) << none;
    }
}

}  // namespace
}  // namespace lazybuild::dockerfile
