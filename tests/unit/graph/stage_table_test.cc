// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/stage_table.h"

#include "plan_fixture.h"

namespace lazybuild::graph::testing {
namespace {

const std::string kAlpine = "docker.io/library/alpine:latest";

// What the image of the plan's only, or last, FROM is.
std::string base_of(const Case& given) {
    return last_step<ImageStep>(plan_of(given)).place;
}

TEST(From, expands_with_global_arguments) {
    struct Row {
        const char* text;
        const char* place;
    };
    const Row rows[] = {
        {"ARG V=3\nFROM alpine:$V\n", "docker.io/library/alpine:3"},
        {"ARG V=3\nARG I=alpine:${V}.1\nFROM $I\n", "docker.io/library/alpine:3.1"},
        {"ARG V\nFROM alpine:${V:-edge}\n", "docker.io/library/alpine:edge"},
        {"ARG GIVEN=0\nFROM alpine:$GIVEN\n", "docker.io/library/alpine:given"},
        {"FROM alpine-$TARGETARCH\n", "docker.io/library/alpine-amd64:latest"},
        {"FROM host:5000/a/b@sha256:"
         "0123456789012345678901234567890123456789012345678901234567890123\n",
         "host:5000/a/b@sha256:0123456789012345678901234567890123456789012345678901234567890123"},
        {"FROM oci:/some/where:tag\n", "oci:/some/where:tag"},
        {"FROM docker-archive:x.tar\n", "docker-archive:x.tar"},
        {"FROM docker://alpine\n", "docker.io/library/alpine:latest"},
    };
    for (const Row& row : rows) {
        Case given(row.text);
        given.options.build_arguments["GIVEN"] = "given";
        EXPECT_EQ(base_of(given), row.place) << row.text;
    }
}

TEST(From, knows_the_stage_that_is_the_target) {
    struct Row {
        const char* text;
        const char* target;
        const char* place;
    };
    const Row rows[] = {
        {"FROM i-$TARGETSTAGE\n", "", "docker.io/library/i-default:latest"},
        {"FROM i-$TARGETSTAGE AS last\n", "", "docker.io/library/i-last:latest"},
        {"FROM i-$TARGETSTAGE AS one\nFROM b AS two\n", "one", "docker.io/library/i-one:latest"},
    };
    for (const Row& row : rows) {
        Case given(row.text);
        given.options.target = row.target;
        EXPECT_EQ(base_of(given), row.place);
    }
}

TEST(From, takes_the_platform_that_it_names) {
    Case given(
        "FROM --platform=$BUILDPLATFORM alpine AS a\nRUN a\nFROM a AS b\nRUN b\n"
        "FROM --platform=linux/arm/v7 alpine AS arm\nRUN c\nFROM alpine\n"
        "COPY --from=b x x\nCOPY --from=arm x x\nRUN d\n");
    given.options.target_platform = kArm64;
    given.options.platform_requested = true;
    std::vector<std::string> platforms;
    const Plan plan = plan_of(given);
    for (const Step& step : plan.steps) {
        if (std::holds_alternative<RunStep>(step.what)) {
            platforms.push_back(step.platform.text());
        }
    }
    EXPECT_EQ(platforms, (Lines{"linux/amd64", "linux/amd64", "linux/arm/v7", "linux/arm64"}));
}

TEST(From, refuses_what_cannot_be_a_base) {
    struct Row {
        const char* text;
        const char* error;
    };
    const Row rows[] = {
        {"ARG B\nFROM $B\n", "Dockerfile:2: base name ($B) should not be blank"},
        {"FROM --platform=$P alpine\n", "Dockerfile:1: empty platform value from expression $P"},
        {"FROM --platform=$TARGETPLATFORN alpine\n",
         "Dockerfile:1: empty platform value from expression $TARGETPLATFORN (did you mean "
         "TARGETPLATFORM?)"},
        {"FROM --platform=a/b/c/d alpine\n",
         "Dockerfile:1: failed to parse platform a/b/c/d: \"a/b/c/d\" is not a platform; write "
         "os/architecture, like linux/arm64"},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(error_of(row.text), row.error);
    }
    const std::string error = error_of("FROM Not//AnImage\n");
    EXPECT_TRUE(error.starts_with("Dockerfile:1: failed to parse stage name \"Not//AnImage\": "))
        << error;
}

TEST(Onbuild, of_an_image_runs_before_the_stage) {
    Case given("FROM alpine\nRUN own\n");
    given.images[kAlpine].onbuild = {"RUN first", "ENV A=1", "COPY --from=tools x y"};
    const Plan plan = plan_of(given);
    EXPECT_EQ(history_of(plan),
              (Lines{"RUN /bin/sh -c first # buildkit [layer]", "ENV A=1",
                     "COPY x y # buildkit [layer]", "RUN /bin/sh -c own # buildkit [layer]"}));
    EXPECT_TRUE(target_of(plan).settings.onbuild.empty());
    EXPECT_EQ(plan.steps.at(1).text, "[2/4] ONBUILD RUN first");
    EXPECT_EQ(plan.steps.at(1).lines.first, 1U) << "where the base is named";
}

TEST(Onbuild, of_a_stage_runs_in_the_stages_built_on_it) {
    Case given("FROM alpine AS a\nONBUILD RUN hook\nFROM a AS b\nRUN own\nFROM b\nRUN last\n");
    given.options.stages_to_keep = {"a"};
    const Plan plan = plan_of(given);
    EXPECT_EQ(plan.stages.at(0).settings.onbuild, (Lines{"RUN hook"}));
    EXPECT_TRUE(plan.stages.at(1).settings.onbuild.empty());
    EXPECT_EQ(history_of(plan), (Lines{"RUN /bin/sh -c hook # buildkit [layer]",
                                       "RUN /bin/sh -c own # buildkit [layer]",
                                       "RUN /bin/sh -c last # buildkit [layer]"}));
}

TEST(Onbuild, may_need_further_stages_whose_bases_have_triggers_too) {
    Case given("FROM two AS helper\nFROM unused\nFROM one\n");
    given.images["docker.io/library/one:latest"].onbuild = {"COPY --from=helper /x /y"};
    given.images["docker.io/library/two:latest"].onbuild = {
        "RUN --mount=from=three,target=/t make"};
    const Plan plan = plan_of(given);
    EXPECT_EQ(plan.stages.size(), 2U);
    EXPECT_EQ(last_step<CopyStep>(plan).sources.at(0).from, plan.stages.at(0).result);
}

TEST(Onbuild, that_is_no_instruction_is_an_error_of_the_from_line) {
    Case given("FROM alpine\n");
    given.images[kAlpine].onbuild = {"NONSENSE x"};
    const std::string error = error_of(given);
    EXPECT_TRUE(error.starts_with("Dockerfile:1: ONBUILD NONSENSE x of alpine: ")) << error;
}

TEST(NamedContext, replaces_a_stage_of_its_name) {
    Case given("FROM alpine AS tools\nRUN make\nFROM scratch\nCOPY --from=tools a b\n");
    given.options.contexts["tools"] = {.kind = NamedContext::Kind::image, .place = "busybox"};
    given.images["docker.io/library/busybox:latest"].environment = {"A=1"};
    const Plan plan = plan_of(given);
    for (const Step& step : plan.steps) {
        EXPECT_FALSE(std::holds_alternative<RunStep>(step.what));
    }
    EXPECT_EQ(last_step<ImageStep>(plan).place, "docker.io/library/busybox:latest");
    EXPECT_EQ(plan.stages.at(0).settings.environment, (Lines{"A=1"}));
}

TEST(NamedContext, stands_for_an_image) {
    struct Row {
        const char* from;
        const char* context;
        bool replaced;
    };
    const Row rows[] = {
        {"alpine", "alpine", true},
        {"alpine", "alpine:latest", true},
        {"alpine:latest", "docker.io/library/alpine", true},
        {"alpine:3", "alpine", false},
        {"alpine:3", "alpine:3", true},
        {"alpine", "alpine::linux/amd64", true},
        {"alpine", "alpine::linux/arm64", false},
        {"host/a", "a", false},
        {"context", "context", false},
    };
    for (const Row& row : rows) {
        Case given(std::string("FROM ") + row.from + "\nRUN make\n");
        given.options.contexts[row.context] = {.kind = NamedContext::Kind::image, .place = "other"};
        EXPECT_EQ(base_of(given) == "docker.io/library/other:latest", row.replaced)
            << row.from << " by " << row.context;
    }
}

TEST(NamedContext, for_a_platform_wins_over_one_for_all) {
    Case given("FROM alpine\nRUN make\n");
    given.options.contexts["alpine"] = {.kind = NamedContext::Kind::image, .place = "all"};
    given.options.contexts["alpine::linux/amd64"] = {.kind = NamedContext::Kind::image,
                                                     .place = "one"};
    EXPECT_EQ(base_of(given), "docker.io/library/one:latest");
}

TEST(NamedContext, is_beaten_by_an_earlier_stage_of_that_name) {
    Case given("FROM one AS base\nFROM base\nRUN make\n");
    given.options.contexts["docker.io/library/base:latest"] = {.kind = NamedContext::Kind::image,
                                                               .place = "other"};
    EXPECT_EQ(base_of(given), "docker.io/library/one:latest");
}

TEST(NamedContext, of_files_can_be_a_base) {
    Case given("FROM files\nRUN make\n");
    given.options.contexts["files"] = {.kind = NamedContext::Kind::files, .place = ""};
    const Plan plan = plan_of(given);
    const auto& copy = last_step<CopyStep>(plan);
    EXPECT_EQ(std::get<ContextStep>(plan.steps.at(copy.sources.at(0).from).what).name, "files");
    EXPECT_EQ(target_of(plan).layer_steps.size(), 2U);
    EXPECT_EQ(history_of(plan),
              (Lines{"FROM files [layer]", "RUN /bin/sh -c make # buildkit [layer]"}));
}

TEST(NamedContext, can_be_nothing_at_all) {
    Case given("FROM alpine\nCOPY a b\n");
    given.options.contexts["alpine"] = {.kind = NamedContext::Kind::image, .place = "scratch"};
    EXPECT_TRUE(std::holds_alternative<ScratchStep>(plan_of(given).steps.at(0).what));
}

}  // namespace
}  // namespace lazybuild::graph::testing
