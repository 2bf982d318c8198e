// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/outline.h"

#include "plan_fixture.h"

namespace lazybuild::graph::testing {
namespace {

constexpr const char* kText =
    "# VERSION of the compiler\nARG VERSION=1\nARG UNUSED=2\nARG IMAGE=gcc:${VERSION}\n"
    "FROM $IMAGE AS build\n# FLAGS to pass\nARG FLAGS=-O2\nARG TARGETARCH\n"
    "RUN --mount=type=secret,id=key,required --mount=type=ssh make\n"
    "FROM scratch AS other\nARG ELSEWHERE\nRUN --mount=type=secret,id=no x\n"
    "# release what is shipped\nFROM scratch AS Release\nARG GIVEN\nCOPY --from=build a b\n";

Case outline_case() {
    Case given(kText);
    given.options.build_arguments["GIVEN"] = "yes";
    return given;
}

TEST(Outline, has_what_the_target_and_its_stages_take) {
    EXPECT_EQ(outline_text(plan_of(outline_case()).outline),
              "TARGET:      release\n"
              "DESCRIPTION: what is shipped\n"
              "\n"
              "BUILD ARG   VALUE   DESCRIPTION\n"
              "VERSION     1       of the compiler\n"
              "IMAGE       gcc:1   \n"
              "FLAGS       -O2     to pass\n"
              "GIVEN       yes     \n"
              "\n"
              "SECRET   REQUIRED\n"
              "key      true\n"
              "\n"
              "SSH       REQUIRED\n"
              "default   \n"
              "\n");
}

TEST(Outline, is_written_as_json) {
    Case given("# A first\nARG A=1\nFROM a:$A\n");
    EXPECT_EQ(outline_json(plan_of(given).outline), R"({
  "args": [
    {
      "name": "A",
      "description": "first",
      "value": "1",
      "location": {
        "ranges": [
          {
            "start": {
              "line": 2
            },
            "end": {
              "line": 2
            }
          }
        ]
      }
    }
  ]
}
)");
}

TEST(Targets, are_all_stages_the_last_one_being_the_default) {
    const auto file = dockerfile::parse(kText, "Dockerfile");
    ASSERT_TRUE(file);
    EXPECT_EQ(targets_text(targets(*file)),
              "TARGET            DESCRIPTION\n"
              "build             \n"
              "other             \n"
              "release (default) what is shipped\n");
    const auto unnamed = dockerfile::parse("FROM a\n", "Dockerfile");
    ASSERT_TRUE(unnamed);
    EXPECT_EQ(targets_text(targets(*unnamed)), "TARGET    DESCRIPTION\n(default) \n");
    EXPECT_NE(targets_json(targets(*unnamed)).find("\"default\": true"), std::string::npos);
}

}  // namespace
}  // namespace lazybuild::graph::testing
