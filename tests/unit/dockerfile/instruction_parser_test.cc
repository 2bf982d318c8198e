// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/instruction_parser.h"

#include <gtest/gtest.h>

#include <variant>

#include "builder/dockerfile/parser.h"

namespace lazybuild::dockerfile {
namespace {

using List = std::vector<std::string>;

Instruction parsed(std::string_view text) {
    const auto file = parse("FROM scratch\n" + std::string{text}, "Dockerfile");
    EXPECT_TRUE(file) << text << "\n" << (file ? "" : file.error().message);
    if (!file || file->stages[0].instructions.size() != 1) {
        ADD_FAILURE() << text;
        return {};
    }
    return file->stages[0].instructions[0];
}

template <class Kind>
Kind only(std::string_view text) {
    const Instruction instruction = parsed(text);
    const auto* kind = std::get_if<Kind>(&instruction.what);
    EXPECT_NE(kind, nullptr) << text;
    return kind != nullptr ? *kind : Kind{};
}

dockerfile::Run run(std::string_view text) {
    return only<dockerfile::Run>(text);
}

TEST(InstructionParser, tells_json_from_text_for_a_shell) {
    struct Case {
        std::string_view text;
        bool shell_form;
        List words;
    };
    const Case cases[]{{"RUN a b", true, {"a b"}},
                       {"RUN   a  b  ", true, {"a  b"}},
                       {"run [\"a\", \"b c\"]", false, {"a", "b c"}},
                       {"RUN [ \"a\" ] ", false, {"a"}},
                       {"RUN []", false, {}},
                       {"RUN [\"a\\n\\u0041\\\"\"]", false, {"a\nA\""}},
                       {"RUN ['a']", true, {"['a']"}},
                       {"RUN [\"a\"", true, {"[\"a\""}},
                       {"RUN [\"a\",]", true, {"[\"a\",]"}},
                       {"RUN [\"a\"] b", true, {"[\"a\"] b"}},
                       {"RUN [ -f x ] && y", true, {"[ -f x ] && y"}},
                       {"RUN", true, {""}},
                       {"RUN -- --a", true, {"--a"}}};
    for (const Case& one : cases) {
        const Command command = run(one.text).command;
        EXPECT_EQ(command.shell_form, one.shell_form) << one.text;
        EXPECT_EQ(command.words, one.words) << one.text;
        EXPECT_TRUE(command.heredocs.empty());
    }
    EXPECT_TRUE(only<Cmd>("CMD a").command.shell_form);
    EXPECT_EQ(only<Cmd>("CMD [\"a\"]").command.words, List{"a"});
    EXPECT_EQ(only<Entrypoint>("ENTRYPOINT []").command.words, List{});
    EXPECT_EQ(only<Shell>("SHELL [\"sh\", \"-c\"]").words, (List{"sh", "-c"}));
}

TEST(InstructionParser, reads_the_flags_of_run) {
    const auto full =
        run("RUN --mount=type=cache,target=/x --network=none --mount='type=tmpfs,target=/a b' "
            "--security=insecure --device=a --device=b make --x");
    EXPECT_EQ(full.mounts, (List{"type=cache,target=/x", "type=tmpfs,target=/a b"}));
    EXPECT_EQ(full.network, "none");
    EXPECT_EQ(full.security, "insecure");
    EXPECT_EQ(full.devices, (List{"a", "b"}));
    EXPECT_EQ(full.command.words, List{"make --x"});
}

TEST(InstructionParser, reads_quotes_and_escapes_of_flags) {
    EXPECT_EQ(only<Copy>("COPY --chown=\"a b\"'c'\\ d e f").owner, "a bc d");
    EXPECT_EQ(only<Copy>("COPY --from=a\\\\b e f").from, "a\\b");
    EXPECT_EQ(only<Copy>("COPY -- --a b").sources, List{"--a"});
    EXPECT_EQ(only<Copy>("COPY -x b").sources, List{"-x"});
}

TEST(InstructionParser, reads_copy_and_add) {
    const Copy copy = only<Copy>(
        "COPY --from=b --chown=1:2 --chmod=u+x --link --parents=true --exclude=*.o "
        "--exclude=!a.o a $b /c/");
    EXPECT_FALSE(copy.add);
    EXPECT_EQ(copy.sources, (List{"a", "$b"}));
    EXPECT_EQ(copy.destination, "/c/");
    EXPECT_EQ(copy.from, "b");
    EXPECT_EQ(copy.owner, "1:2");
    EXPECT_EQ(copy.permissions, "u+x");
    EXPECT_TRUE(copy.link);
    EXPECT_TRUE(copy.parents);
    EXPECT_EQ(copy.excludes, (List{"*.o", "!a.o"}));
    EXPECT_EQ(copy.unpack, std::nullopt);
    const Copy add =
        only<Copy>("ADD --checksum=sha256:1 --keep-git-dir=FALSE --unpack --link=false a b");
    EXPECT_TRUE(add.add);
    EXPECT_EQ(add.checksum, "sha256:1");
    EXPECT_EQ(add.keep_git_directory, false);
    EXPECT_EQ(add.unpack, true);
    EXPECT_FALSE(add.link);
    const Copy json = only<Copy>("COPY [\"a b\", \"c\", \"d e/\"]");
    EXPECT_EQ(json.sources, (List{"a b", "c"}));
    EXPECT_EQ(json.destination, "d e/");
    EXPECT_EQ(only<Copy>("COPY [a] b").sources, List{"[a]"});
}

TEST(InstructionParser, gives_heredocs_to_copy_as_files) {
    const Copy copy = only<Copy>(
        "COPY <<EOF a <<-'X Y' <<\"Z\" /d/\n$one\\\nEOF \nEOF\n\t\ttwo\n\t three\n\tX Y\nZ\n");
    EXPECT_EQ(copy.sources, (List{"a", "<<-'X", "Y'"})) << "blanks part words, quotes or not";
    ASSERT_EQ(copy.heredocs.size(), 2);
    EXPECT_EQ(copy.heredocs[0].name, "EOF");
    EXPECT_EQ(copy.heredocs[0].content, "$one\\\nEOF \n");
    EXPECT_TRUE(copy.heredocs[0].expand);
    EXPECT_EQ(copy.heredocs[1].name, "Z");
    EXPECT_EQ(copy.heredocs[1].content, "");
    EXPECT_FALSE(copy.heredocs[1].expand);
}

TEST(InstructionParser, cuts_the_tabs_of_heredocs_that_ask_for_it) {
    const Copy copy = only<Copy>("COPY <<-E /d\n\ta\n\t\tb\n c\n\t\tE\n");
    ASSERT_EQ(copy.heredocs.size(), 1);
    EXPECT_EQ(copy.heredocs[0].content, "a\nb\n c\n");
    EXPECT_TRUE(copy.heredocs[0].expand);
    EXPECT_EQ(run("RUN <<-E\n\ta\n\tE\n").command.heredocs.at(0).content, "a\n");
}

TEST(InstructionParser, gives_the_only_heredoc_of_a_run_apart) {
    const Instruction instruction = parsed("RUN 3<<EOF\n\n#!/bin/x\r\na\nEOF\n");
    const Command& command = std::get<dockerfile::Run>(instruction.what).command;
    ASSERT_EQ(command.heredocs.size(), 1);
    EXPECT_EQ(command.heredocs[0].name, "EOF");
    EXPECT_EQ(command.heredocs[0].content, "\n#!/bin/x\r\na\n");
    EXPECT_EQ(command.words, List{"3<<EOF\n\n#!/bin/x\r\na\nEOF"});
    EXPECT_EQ(instruction.text, "RUN 3<<EOF (#!/bin/x...)");
    EXPECT_EQ(instruction.lines.first, 2);
    EXPECT_EQ(instruction.lines.last, 6);
    EXPECT_EQ(parsed("RUN <<E\nmake\nE\n").text, "RUN <<E (make)");
    EXPECT_EQ(parsed("RUN <<E\nE\n").text, "RUN <<E ()");
    EXPECT_EQ(run("RUN << E\na\nE\n").command.heredocs.at(0).name, "E");
}

TEST(InstructionParser, leaves_other_heredocs_to_the_shell) {
    const struct {
        std::string_view text;
        std::string_view words;
    } cases[]{
        {"RUN <<EOF bash\na\nEOF\n", "<<EOF bash\na\nEOF"},
        {"RUN cat <<A <<-\"B\" > x\n1\nA\n\t2\n\tB\n", "cat <<A <<-\"B\" > x\n1\nA\n\t2\nB"},
        {"RUN a \\\n <<EOF && b\nx \\\n# y\nEOF\n", "a  <<EOF && b\nx \\\n# y\nEOF"},
        {"RUN <<E$x cat\na\nE$x\n", "<<E$x cat\na\nE$x"},
    };
    for (const auto& one : cases) {
        const Command command = run(one.text).command;
        EXPECT_EQ(command.words, List{std::string{one.words}}) << one.text;
        EXPECT_TRUE(command.heredocs.empty()) << one.text;
    }
}

TEST(InstructionParser, knows_what_is_no_heredoc) {
    for (const std::string_view text :
         {"RUN echo \"<<EOF\"", "RUN echo '<<EOF'", "RUN echo \\<<EOF", "RUN cat <<<EOF",
          "RUN echo $((1<<3))", "RUN echo it's <<EOF", "RUN [\"cat\", \"<<EOF\"]", "RUN a<<EOF",
          "RUN echo ${x <<EOF", "CMD cat <<EOF", "ENV a=<<EOF", "RUN <<"}) {
        EXPECT_EQ(parsed(text).lines.last, 2) << text;
    }
}

TEST(InstructionParser, reads_names_and_values) {
    struct Case {
        std::string_view text;
        std::vector<std::pair<std::string, std::string>> pairs;
    };
    const Case cases[]{{"ENV a=b", {{"a", "b"}}},
                       {"ENV a=b c=d", {{"a", "b"}, {"c", "d"}}},
                       {"ENV a=", {{"a", ""}}},
                       {"ENV a==b", {{"a", "=b"}}},
                       {"ENV a=\"b c\" d='e f'", {{"a", "\"b c\""}, {"d", "'e f'"}}},
                       {"ENV a=b\\ c d=e", {{"a", "b\\ c"}, {"d", "e"}}},
                       {"ENV \"a b\"=c", {{"\"a b\"", "c"}}},
                       {"ENV a=\"b\\\"c\" d=e", {{"a", "\"b\\\"c\""}, {"d", "e"}}},
                       {"ENV a='b\\' c=d", {{"a", "'b\\'"}, {"c", "d"}}},
                       {"ENV a=b\\", {{"a", "b"}}},
                       {"ENV a=\"b c", {{"a", "\"b c"}}},
                       {"ENV $a=$b", {{"$a", "$b"}}}};
    for (const Case& one : cases) {
        std::vector<std::pair<std::string, std::string>> pairs;
        for (const NamedWord& variable : only<Env>(one.text).variables) {
            EXPECT_FALSE(variable.legacy) << one.text;
            pairs.emplace_back(variable.name, variable.value);
        }
        EXPECT_EQ(pairs, one.pairs) << one.text;
    }
    const Env legacy = only<Env>("ENV a  b=c  'd' ");
    ASSERT_EQ(legacy.variables.size(), 1);
    EXPECT_TRUE(legacy.variables[0].legacy);
    EXPECT_EQ(legacy.variables[0].name, "a");
    EXPECT_EQ(legacy.variables[0].value, "b=c  'd'");
    EXPECT_EQ(only<Label>("LABEL a=b \"c d\"=e").labels.size(), 2);
}

TEST(InstructionParser, reads_arguments) {
    const Arg arg = only<Arg>("ARG a b= c=\"d e\" f=g=h");
    ASSERT_EQ(arg.arguments.size(), 4);
    EXPECT_EQ(arg.arguments[0].name, "a");
    EXPECT_EQ(arg.arguments[0].value, std::nullopt);
    EXPECT_EQ(arg.arguments[1].value, "");
    EXPECT_EQ(arg.arguments[2].value, "\"d e\"");
    EXPECT_EQ(arg.arguments[3].value, "g=h");
}

TEST(InstructionParser, reads_the_simple_ones) {
    EXPECT_EQ(only<Workdir>("WORKDIR  /a b ").path, "/a b");
    EXPECT_EQ(only<User>("USER $u:g").user, "$u:g");
    EXPECT_EQ(only<StopSignal>("STOPSIGNAL SIGTERM").signal, "SIGTERM");
    EXPECT_EQ(only<Maintainer>("MAINTAINER a <b@c>").name, "a <b@c>");
    EXPECT_EQ(only<Volume>("VOLUME /a  /b").paths, (List{"/a", "/b"}));
    EXPECT_EQ(only<Volume>("VOLUME [\"/a b\", \" /c \"]").paths, (List{"/a b", "/c"}));
    EXPECT_EQ(only<Expose>("EXPOSE 90 80/udp $p").ports, (List{"$p", "80/udp", "90"}));
}

TEST(InstructionParser, reads_health_checks) {
    using std::chrono::milliseconds;
    const Healthcheck check = only<Healthcheck>(
        "HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=0 --start-interval=1ms "
        "--retries=3 CMD curl x || exit 1");
    EXPECT_FALSE(check.none);
    EXPECT_TRUE(check.command.shell_form);
    EXPECT_EQ(check.command.words, List{"curl x || exit 1"});
    EXPECT_EQ(check.interval, milliseconds{90'000});
    EXPECT_EQ(check.timeout, milliseconds{1500});
    EXPECT_EQ(check.start_period, milliseconds{0});
    EXPECT_EQ(check.start_interval, milliseconds{1});
    EXPECT_EQ(check.retries, 3);
    EXPECT_TRUE(only<Healthcheck>("HEALTHCHECK none").none);
    EXPECT_EQ(only<Healthcheck>("HEALTHCHECK cmd [\"a\", \"b\"]").command.words, (List{"a", "b"}));
}

TEST(InstructionParser, keeps_the_text_of_onbuild) {
    EXPECT_EQ(only<Onbuild>("ONBUILD  COPY --from=a b  c ").instruction, "COPY --from=a b  c");
    EXPECT_EQ(only<Onbuild>("ONBUILD RUN a \\\n b").instruction, "RUN a  b");
    const Onbuild heredoc = only<Onbuild>("ONBUILD RUN cat <<A <<-B\n1\nA\n\t2\n\tB\n");
    EXPECT_EQ(heredoc.instruction, "RUN cat <<A <<-B\n1\nA\n\t2\nB");
    const auto again = parse_instruction(heredoc.instruction);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(std::get<dockerfile::Run>(again->what).command.words,
              List{"cat <<A <<-B\n1\nA\n\t2\nB"});
}

TEST(InstructionParser, reads_one_instruction_alone) {
    const auto instruction = parse_instruction("COPY a b\n");
    ASSERT_TRUE(instruction);
    EXPECT_TRUE(std::holds_alternative<Copy>(instruction->what));
    EXPECT_EQ(instruction->text, "COPY a b");
    EXPECT_TRUE(parse_instruction("RUN a `\n b", '`'));
    const struct {
        std::string_view text;
        std::string_view message;
    } cases[]{{"", "file with no instructions"},
              {"FROM a", "FROM isn't allowed as an ONBUILD trigger"},
              {"ONBUILD RUN a", "ONBUILD isn't allowed as an ONBUILD trigger"},
              {"MAINTAINER a", "MAINTAINER isn't allowed as an ONBUILD trigger"},
              {"FOOBAR a", "unknown instruction: FOOBAR"},
              {"RUN a\nRUN b", "onbuild trigger should be a single expression"},
              {"RUN <<A\nb", "unterminated heredoc"}};
    for (const auto& one : cases) {
        const auto refused = parse_instruction(one.text);
        ASSERT_FALSE(refused) << one.text;
        EXPECT_EQ(refused.error().message, one.message);
    }
}

TEST(InstructionParser, keeps_comments_and_what_they_switch_off) {
    const auto file = parse(
        "# plain\n\nFROM a\n# one\n#   two  \nRUN b\n# gone\n#\n# check=skip=A,B\nRUN c\nRUN d\n",
        "Dockerfile");
    ASSERT_TRUE(file);
    const auto& instructions = file->stages[0].instructions;
    EXPECT_EQ(file->stages[0].comments, List{"plain"});
    EXPECT_EQ(instructions[0].comments, (List{"one", "two"}));
    EXPECT_EQ(instructions[1].comments, List{"check=skip=A,B"});
    EXPECT_EQ(instructions[1].skipped_checks, (List{"A", "B"}));
    EXPECT_TRUE(instructions[2].comments.empty());
}

}  // namespace
}  // namespace lazybuild::dockerfile
