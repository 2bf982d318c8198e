// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/checks.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "builder/dockerfile/parser.h"

namespace lazybuild::dockerfile {
namespace {

using List = std::vector<std::string>;

List findings(std::string_view source, std::optional<std::string_view> build_argument = {}) {
    const auto file = parse(source, "Dockerfile");
    EXPECT_TRUE(file) << source << "\n" << (file ? "" : file.error().message);
    if (!file) {
        return {};
    }
    const auto options = check_options(*file, build_argument);
    EXPECT_TRUE(options) << source;
    List texts;
    for (const Finding& finding : wanted_findings(check(*file), *file, *options)) {
        texts.push_back(text_of(finding));
    }
    return texts;
}

struct Case {
    std::string_view source;
    List expected;
};

void expect(const std::vector<Case>& cases) {
    for (const Case& one : cases) {
        EXPECT_EQ(findings(one.source), one.expected) << one.source;
    }
}

TEST(Checks, there_are_22_rules_and_one_is_experimental) {
    EXPECT_EQ(check_rules().size(), 22);
    EXPECT_EQ(std::ranges::count_if(check_rules(), &CheckRule::experimental), 1);
}

TEST(Checks, find_nothing_in_a_tidy_file) {
    EXPECT_EQ(findings("# syntax=docker/dockerfile:1\nARG v=1\nFROM --platform=$BUILDPLATFORM "
                       "golang:$v AS build\nWORKDIR /src\nRUN a \\\n  b\nFROM scratch\nCOPY "
                       "--from=build /a /a\nEXPOSE 80 443/tcp $PORT\nENV A=b\nLABEL a=b\nCMD "
                       "[\"/a\"]\nHEALTHCHECK CMD a\n"),
              List{});
}

TEST(Checks, look_at_names_and_keywords) {
    expect({{"FROM a AS Build\n",
             {"StageNameCasing: Stage name 'Build' should be lowercase (line 1)"}},
            {"FROM a as b\n",
             {"FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)"}},
            {"from a AS b\n",
             {"FromAsCasing: 'AS' and 'from' keywords' casing do not match (line 1)"}},
            {"From a AS b\n",
             {"ConsistentInstructionCasing: Command 'From' should match the case of the command "
              "majority (uppercase) (line 1)"}},
            {"from a\nrun b\nCMD []\n",
             {"ConsistentInstructionCasing: Command 'CMD' should match the case of the command "
              "majority (lowercase) (line 3)"}},
            {"FROM a\nrun b\n",
             {"ConsistentInstructionCasing: Command 'run' should match the case of the command "
              "majority (uppercase) (line 2)"}},
            {"FROM a AS b\nFROM a AS B\n",
             {"StageNameCasing: Stage name 'B' should be lowercase (line 2)",
              "DuplicateStageName: Duplicate stage name \"b\", stage names should be unique (line "
              "2)"}},
            {"FROM a AS scratch\n",
             {"ReservedStageName: Stage name should not use the same name as reserved stage "
              "\"scratch\" (line 1)"}},
            {"FROM a AS context\n",
             {"ReservedStageName: Stage name should not use the same name as reserved stage "
              "\"context\" (line 1)"}}});
}

TEST(Checks, look_at_platforms) {
    expect({{"FROM --platform=$TARGETPLATFORM a\n",
             {"RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is "
              "redundant as this is the default behavior (line 1)"}},
            {"FROM --platform=${TARGETPLATFORM} a\n",
             {"RedundantTargetPlatform: Setting platform to predefined ${TARGETPLATFORM} in FROM "
              "is redundant as this is the default behavior (line 1)"}},
            {"FROM --platform=linux/$TARGETARCH a\n", {}},
            {"FROM --platform=$TARGETPLATFORM/v8 a\n", {}},
            {"FROM --platform=linux/amd64 a AS b\n",
             {"FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "
              "\"linux/amd64\" (line 1)"}},
            {"FROM --platform=linux/amd64 a AS build_amd64\n", {}},
            {"FROM --platform=linux/amd64 a AS linux\n", {}},
            {"FROM --platform=what/is/this/now a\n", {}}});
}

TEST(Checks, look_at_instructions) {
    expect(
        {{"FROM a\nMAINTAINER me\n",
          {"MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label "
           "(line 2)"}},
         {"FROM a\nRUN b \\\n\n c\n", {"NoEmptyContinuation: Empty continuation line (line 4)"}},
         {"FROM a\nCMD b\n",
          {"JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior "
           "related to OS signals (line 2)"}},
         {"FROM a\nENTRYPOINT b\n",
          {"JSONArgsRecommended: JSON arguments recommended for ENTRYPOINT to prevent unintended "
           "behavior related to OS signals (line 2)"}},
         {"FROM a\nSHELL [\"/bin/bash\", \"-c\"]\nCMD b\n", {}},
         {"FROM a AS b\nSHELL [\"/bin/bash\", \"-c\"]\nFROM b\nCMD b\n", {}},
         {"FROM a\nCMD [\"b\"]\nCMD [\"c\"]\n",
          {"MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the "
           "same stage because only the last one will be used (line 2)"}},
         {"FROM a\nHEALTHCHECK NONE\nHEALTHCHECK NONE\nHEALTHCHECK NONE\n",
          {"MultipleInstructionsDisallowed: Multiple HEALTHCHECK instructions should not be used "
           "in the same stage because only the last one will be used (line 2)",
           "MultipleInstructionsDisallowed: Multiple HEALTHCHECK instructions should not be used "
           "in the same stage because only the last one will be used (line 3)"}},
         {"FROM a AS b\nCMD [\"b\"]\nFROM b\nCMD [\"c\"]\n", {}},
         {"FROM a\nENV b c\n",
          {"LegacyKeyValueFormat: \"ENV key=value\" should be used instead of legacy \"ENV key "
           "value\" format (line 2)"}},
         {"FROM a\nLABEL b c\n",
          {"LegacyKeyValueFormat: \"LABEL key=value\" should be used instead of legacy \"LABEL key "
           "value\" format (line 2)"}},
         {"FROM a\nEXPOSE 80/TCP\n",
          {"ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase "
           "(line 2)"}},
         {"FROM a\nEXPOSE 127.0.0.1:80:80\n",
          {"ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port "
           "mapping, found '127.0.0.1:80:80' (line 2)"}},
         {"FROM a\nEXPOSE 8080:80\n",
          {"ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port "
           "mapping, found '8080:80' (line 2)"}}});
}

TEST(Checks, know_the_names_of_secrets) {
    for (const char* name : {"PASSWORD", "DB_PASSWORD", "api_key", "GITHUB_TOKEN", "secret_MESSAGE",
                             "AUTH", "apikey", "AWS_SECRET_ACCESS", "a_passwd_b", "credentials"}) {
        EXPECT_TRUE(check_secret_name("ARG", name, {})) << name;
    }
    for (const char* name : {"PASSWORDS", "KEYBOARD", "PUBLIC_KEY", "PASSWORD_FILE", "TOKENVALUE",
                             "KEY_VERSION", "MONKEY", "author", ""}) {
        EXPECT_FALSE(check_secret_name("ARG", name, {})) << name;
    }
    expect({{"FROM a\nARG db_password\nENV TOKEN=x A_FILE=y\n",
             {"SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "
              "\"db_password\") (line 2)",
              "SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "
              "\"TOKEN\") (line 3)"}}});
}

TEST(Checks, take_descriptions_seriously_only_when_asked) {
    const std::string file = "# what it is\nARG a=1\n# b is good\nARG b=1\n# x\nFROM a AS build\n";
    EXPECT_EQ(findings(file), List{});
    EXPECT_EQ(findings("# check=experimental=InvalidDefinitionDescription\n" + file),
              (List{"InvalidDefinitionDescription: Comment for ARG should follow the format: `# a "
                    "<description>` (line 3)",
                    "InvalidDefinitionDescription: Comment for FROM should follow the format: `# "
                    "build <description>` (line 7)"}));
    EXPECT_EQ(findings("# check=experimental=all\n# x\nARG a b\nFROM a\n"),
              (List{"InvalidDefinitionDescription: Comment for ARG should follow the format: `# "
                    "<arg_key> <description>` (line 3)"}));
}

TEST(Checks, can_be_switched_off) {
    const std::string file = "FROM a as B\nCMD c\n";
    EXPECT_EQ(findings(file).size(), 3);
    EXPECT_EQ(findings("# check=skip=FromAsCasing,JSONArgsRecommended\n" + file).size(), 1);
    EXPECT_EQ(findings("# check=skip=all;error=true\n" + file), List{});
    EXPECT_EQ(findings("# check=skip=all\n" + file, "").size(), 3);
    EXPECT_EQ(findings(file, "skip=StageNameCasing").size(), 2);
    EXPECT_EQ(findings("FROM a as B\n# check=skip=JSONArgsRecommended\nCMD c\n").size(), 2);
    EXPECT_EQ(findings("# x\n# check=skip=all\nFROM a as B\nCMD c\n").size(), 1);
}

TEST(Checks, say_what_is_wrong_with_their_options) {
    const auto file = parse("# check=skip\nFROM a\n", "Dockerfile").value();
    auto options = check_options(file, std::nullopt);
    ASSERT_FALSE(options);
    EXPECT_NE(options.error().message.find("Dockerfile:1: invalid check option \"skip\""),
              std::string::npos);
    for (const char* text : {"x", "error=maybe", "skip=a;b=c"}) {
        EXPECT_FALSE(check_options(file, text)) << text;
    }
    options = check_options(file, " skip = A , B ; error = true; experimental=all");
    ASSERT_TRUE(options);
    EXPECT_EQ(options->skip, (List{"A", "B"}));
    EXPECT_EQ(options->experimental, List{"all"});
    EXPECT_TRUE(options->error);
}

TEST(Checks, name_the_rules_that_were_broken) {
    const std::vector<Finding> broken{{"B", "", {}}, {"A", "", {}}, {"B", "x", {}}};
    EXPECT_EQ(violation(broken), "lint violation found for rules: A, B");
}

TEST(Checks, word_what_planning_finds) {
    const Lines lines{4, 4};
    EXPECT_EQ(text_of(undefined_variable("x", "y", lines)),
              "UndefinedVar: Usage of undefined variable '$x' (did you mean $y?) (line 4)");
    EXPECT_EQ(text_of(undefined_argument_in_from("x", "", lines)),
              "UndefinedArgInFrom: FROM argument 'x' is not declared (line 4)");
    EXPECT_EQ(text_of(invalid_default_argument_in_from("a:$x", lines)),
              "InvalidDefaultArgInFrom: Default value for ARG a:$x results in empty or invalid "
              "base image name (line 4)");
    EXPECT_EQ(text_of(invalid_base_image_platform(
                  "a", {.expected = "linux/arm64", .actual = "linux/amd64"}, lines)),
              "InvalidBaseImagePlatform: Base image a was pulled with platform \"linux/amd64\", "
              "expected \"linux/arm64\" for current build (line 4)");
    EXPECT_EQ(text_of(relative_workdir("a", lines)),
              "WorkdirRelativePath: Relative workdir \"a\" can have unexpected results if the base "
              "image changes (line 4)");
    EXPECT_EQ(text_of(copy_ignored_file(true, "a", lines)),
              "CopyIgnoredFile: Attempting to Add file \"a\" that is excluded by .dockerignore "
              "(line 4)");
}

}  // namespace
}  // namespace lazybuild::dockerfile
