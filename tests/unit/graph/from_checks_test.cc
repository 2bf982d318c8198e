// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/from_checks.h"

#include <algorithm>

#include "plan_fixture.h"

namespace lazybuild::graph::testing {
namespace {

TEST(Warnings, tell_of_what_only_planning_can_see) {
    struct Row {
        const char* text;
        Lines warnings;
    };
    const Row rows[] = {
        {"FROM alpine\nRUN echo $NONE\n", {}},
        {"FROM scratch\nCOPY $PAHT /\n",
         {"UndefinedVar: Usage of undefined variable '$PAHT' (did you mean $PATH?)"}},
        {"FROM scratch\nENV A=$nothing_like_it\n",
         {"UndefinedVar: Usage of undefined variable '$nothing_like_it'"}},
        {"FROM scratch\nARG X\nENV A=$X B=${Y:-1}\n",
         {"UndefinedVar: Usage of undefined variable '$Y'"}},
        {"ARG VERSION\nFROM alpine:${VERSION:-1}$VERSIO\n",
         {"UndefinedArgInFrom: FROM argument 'VERSIO' is not declared (did you mean VERSION?)"}},
        {"FROM scratch\nWORKDIR a\nWORKDIR b\n",
         {"WorkdirRelativePath: Relative workdir \"a\" can have unexpected results if the base "
          "image changes"}},
        {"FROM scratch AS a\nWORKDIR /a\nFROM a\nWORKDIR b\n", {}},
        {"FROM scratch\nEXPOSE 90/TCP\nARG P=\"80/TCP 8080:81\"\nEXPOSE $P\n",
         {"ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
          "ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port "
          "mapping, found '8080:81'"}},
    };
    for (const Row& row : rows) {
        std::vector<std::string> warnings = warnings_of(plan_of(row.text));
        std::ranges::sort(warnings);
        Lines expected = row.warnings;
        std::ranges::sort(expected);
        EXPECT_EQ(warnings, expected) << row.text;
    }
}

TEST(Warnings, tell_of_bases_that_only_build_arguments_make_valid) {
    Case given("ARG TAG\nFROM alpine:$TAG\n");
    given.options.build_arguments["TAG"] = "3";
    EXPECT_EQ(warnings_of(plan_of(given)),
              (Lines{"InvalidDefaultArgInFrom: Default value for ARG alpine:$TAG results in empty "
                     "or invalid base image name"}));
}

TEST(Warnings, tell_of_bases_of_another_platform) {
    Case given("FROM alpine\n");
    given.platforms["docker.io/library/alpine:latest"] = kArm64;
    EXPECT_EQ(warnings_of(plan_of(given)),
              (Lines{"InvalidBaseImagePlatform: Base image alpine was pulled with platform "
                     "\"linux/arm64\", expected \"linux/amd64\" for current build"}));
}

TEST(Warnings, have_the_lines_of_their_instruction) {
    const Plan plan = plan_of("FROM scratch\nRUN x\nWORKDIR \\\n a\n");
    ASSERT_EQ(plan.warnings.size(), 1U);
    EXPECT_EQ(plan.warnings[0].lines.first, 3U);
    EXPECT_EQ(plan.warnings[0].lines.last, 4U);
}

}  // namespace
}  // namespace lazybuild::graph::testing
