// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/plan.h"

#include "plan_fixture.h"

namespace lazybuild::graph::testing {
namespace {

std::string image_text(const std::string& name) {
    return "FROM " + name + "@" + codec::sha256(as_bytes(name)).text();
}
const std::string kAlpine = "docker.io/library/alpine:latest";

TEST(Plan, numbers_the_steps_of_a_single_stage_without_a_name) {
    const Plan plan = plan_of("FROM alpine\nRUN make\nENV A=1\nWORKDIR /w\nCOPY a b\n");
    EXPECT_EQ(texts_of(plan),
              (Lines{"[1/4] " + image_text(kAlpine), "[2/4] RUN make", "[3/4] WORKDIR /w",
                     "[internal] load build context", "[4/4] COPY a b"}));
}

TEST(Plan, names_stages_in_progress_texts_when_there_are_several) {
    const Plan plan = plan_of(
        "FROM alpine AS Build\nRUN make\nFROM scratch\nCOPY --from=build /a /a\nworkdir /w\n");
    EXPECT_EQ(texts_of(plan),
              (Lines{"[build 1/2] " + image_text(kAlpine), "[build 2/2] RUN make", "FROM scratch",
                     "[stage-1 1/2] COPY --from=build /a /a", "[stage-1 2/2] WORKDIR /w"}));
}

TEST(Plan, pads_the_numbers_of_long_stages) {
    std::string text = "FROM scratch\n";
    for (int i = 0; i < 10; ++i) {
        text += "RUN " + std::to_string(i) + "\n";
    }
    EXPECT_EQ(texts_of(plan_of(text)).at(1), "[ 1/10] RUN 0");
}

TEST(Plan, names_the_platform_in_progress_texts_of_several_platforms) {
    Case given("FROM --platform=$BUILDPLATFORM alpine\nARG TARGETARCH\nRUN make\n");
    given.options.multi_platform = true;
    given.options.platform_requested = true;
    given.options.target_platform = kArm64;
    EXPECT_EQ(texts_of(plan_of(given)), (Lines{"[linux/amd64 1/2] " + image_text(kAlpine),
                                               "[linux/amd64->arm64 2/2] RUN make"}));
}

TEST(Plan, plans_only_the_stages_that_the_target_needs) {
    const std::string text =
        "FROM a AS one\nRUN 1\nFROM b AS two\nRUN 2\nFROM one AS three\nCOPY --from=two x y\n"
        "FROM c AS four\nRUN 4\n";
    const auto planned = [&](const std::string& target) {
        Case given(text);
        given.options.target = target;
        std::vector<std::uint32_t> indices;
        const Plan plan = plan_of(given);
        for (const StageResult& stage : plan.stages) {
            indices.push_back(stage.index);
        }
        EXPECT_EQ(target_of(plan).name, target);
        return indices;
    };
    using Indices = std::vector<std::uint32_t>;
    EXPECT_EQ(planned("one"), (Indices{0}));
    EXPECT_EQ(planned("two"), (Indices{1}));
    EXPECT_EQ(planned("three"), (Indices{0, 1, 2}));
    EXPECT_EQ(planned("four"), (Indices{3}));
}

TEST(Plan, plans_further_stages_on_request) {
    Case given("FROM a AS one\nFROM b AS two\nFROM c\n");
    given.options.stages_to_keep = {"TWO"};
    EXPECT_EQ(plan_of(given).stages.size(), 2U);
    given.options.all_stages = true;
    const Plan plan = plan_of(given);
    EXPECT_EQ(plan.stages.size(), 3U);
    EXPECT_EQ(plan.target, 2U);
}

TEST(Plan, finds_the_target_by_name_in_any_case_or_by_number) {
    Case given("FROM a AS One\nFROM b AS two\n");
    given.options.target = "ONE";
    EXPECT_EQ(target_of(plan_of(given)).index, 0U);
    given.options.target = "0";
    EXPECT_EQ(target_of(plan_of(given)).index, 0U);
    given.options.target = "tow";
    EXPECT_EQ(error_of(given), "target stage \"tow\" could not be found (did you mean two?)");
}

TEST(Plan, asks_for_the_images_of_needed_stages_alone) {
    const auto file = dockerfile::parse(
        "FROM unused\nFROM alpine AS b\nFROM b\nCOPY --from=busybox:1 /a /b\n"
        "COPY --from=alpine /c /d\nRUN --mount=from=tools,target=/t true\n",
        "Dockerfile");
    ASSERT_TRUE(file);
    const Case given("");
    const auto planned = plan(*file, given.options, {});
    ASSERT_TRUE(planned) << planned.error().message;
    EXPECT_EQ(planned->missing,
              (std::vector<ImageWanted>{
                  {.place = kAlpine, .platform = kAmd64, .config_needed = true},
                  {.place = "docker.io/library/busybox:1", .platform = kAmd64},
                  {.place = "docker.io/library/tools:latest", .platform = kAmd64}}));
}

TEST(Plan, shares_images_and_contexts_between_stages) {
    const Plan plan = plan_of(
        "FROM alpine AS a\nCOPY x y\nFROM alpine AS b\nCOPY x y\nFROM scratch\n"
        "COPY --from=a y /\nCOPY --from=b y /\nCOPY --from=alpine y /\n");
    std::size_t images = 0;
    std::size_t contexts = 0;
    for (const Step& step : plan.steps) {
        images += std::holds_alternative<ImageStep>(step.what) ? 1 : 0;
        contexts += std::holds_alternative<ContextStep>(step.what) ? 1 : 0;
    }
    EXPECT_EQ(images, 1U);
    EXPECT_EQ(contexts, 1U);
}

TEST(Plan, puts_inputs_before_the_steps_that_need_them) {
    const Plan plan = plan_of(
        "FROM alpine AS a\nCOPY x y\nRUN --mount=target=/src make\nFROM scratch\n"
        "COPY --from=a --link y /\nADD http://h/f /\n");
    for (StepId id = 0; id < plan.steps.size(); ++id) {
        if (const auto* copy = std::get_if<CopyStep>(&plan.steps[id].what)) {
            EXPECT_LT(copy->onto, id);
            for (const CopySource& source : copy->sources) {
                EXPECT_LT(source.from, id);
            }
        } else if (const auto* run = std::get_if<RunStep>(&plan.steps[id].what)) {
            EXPECT_LT(run->base, id);
            EXPECT_LT(run->mounts.at(0).from.value_or(id), id);
        }
    }
}

TEST(Plan, builds_stages_on_stages) {
    const Plan plan =
        plan_of("FROM alpine AS base\nENV A=1\nWORKDIR /w\nFROM BASE AS next\nRUN make\n");
    const StageResult& target = target_of(plan);
    EXPECT_EQ(target.base_stage, std::optional<std::uint32_t>(0));
    EXPECT_EQ(target.base_name, "BASE");
    EXPECT_EQ(target.layer_steps.size(), 1U);
    const auto& run = last_step<RunStep>(plan);
    EXPECT_EQ(run.base, plan.stages.at(0).result);
    EXPECT_EQ(run.working_directory, "/w");
    EXPECT_EQ(run.environment, (Lines{kPath, "A=1"}));
    EXPECT_EQ(history_of(plan),
              (Lines{"ENV A=1", "WORKDIR /w [layer]", "RUN /bin/sh -c make # buildkit [layer]"}));
}

TEST(Plan, takes_the_last_earlier_stage_of_a_name) {
    const Plan plan = plan_of(
        "FROM a AS x\nRUN 1\nFROM b AS x\nRUN 2\nFROM scratch AS y\nCOPY --from=x f f\n"
        "FROM c AS x\nFROM y\n");
    const auto& copy = last_step<CopyStep>(plan);
    EXPECT_EQ(plan.steps.at(copy.sources.at(0).from).text, "[x 2/2] RUN 2");
}

TEST(Plan, refuses_stages_that_are_not_there_yet) {
    struct Row {
        const char* text;
        const char* error;
    };
    const Row rows[] = {
        {"FROM a AS x\nCOPY --from=y f f\nFROM b AS y\nFROM x\n",
         "Dockerfile:2: cannot copy from stage \"y\", it needs to be defined before current stage "
         "\"x\""},
        {"FROM a\nCOPY --from=1 f f\nFROM b\nCOPY --from=0 f f\n",
         "Dockerfile:1: circular dependency detected on stage: stage-0"},
        {"FROM a AS x\nCOPY --from=x f f\n",
         "Dockerfile:1: circular dependency detected on stage: x"},
        {"FROM a\nCOPY --from=7 f f\n", "Dockerfile:2: invalid stage index 7"},
        {"FROM a AS x\nRUN --mount=from=y,target=/t true\nFROM b AS y\nFROM x\n",
         "Dockerfile:2: cannot mount from stage \"y\" to \"/t\", stage needs to be defined before "
         "current command"},
        {"FROM a\nARG S=x\nCOPY --from=$S f f\n",
         "Dockerfile:3: variable expansion is not supported for --from, define a new stage with "
         "FROM using ARG from global scope as a workaround"},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(error_of(row.text), row.error) << row.text;
    }
}

TEST(Plan, begins_scratch_with_nothing_but_a_path) {
    const Plan plan = plan_of("FROM scratch\nCOPY a /\n");
    EXPECT_EQ(target_of(plan).settings.environment, (Lines{kPath}));
    EXPECT_EQ(target_of(plan).settings.working_directory, "/");
    EXPECT_TRUE(std::holds_alternative<ScratchStep>(plan.steps.at(0).what));
}

TEST(Plan, takes_an_image_without_layers_for_scratch) {
    Case given("FROM empty\nCOPY a /\n");
    given.layers["docker.io/library/empty:latest"] = 0;
    EXPECT_TRUE(std::holds_alternative<ScratchStep>(plan_of(given).steps.at(0).what));
}

TEST(Plan, goes_on_with_the_settings_of_the_base) {
    Case given("FROM alpine\nRUN make\n");
    ImageSettings& base = given.images[kAlpine];
    base.environment = {"PATH=/bin", "LANG=C"};
    base.user = "app";
    base.working_directory = "/srv";
    base.shell = {"/bin/ash", "-ec"};
    base.history = {{.created_by = "before"}};
    const Plan plan = plan_of(given);
    const auto& run = last_step<RunStep>(plan);
    EXPECT_EQ(run.environment, (Lines{"PATH=/bin", "LANG=C"}));
    EXPECT_EQ(run.user, "app");
    EXPECT_EQ(run.working_directory, "/srv");
    EXPECT_EQ(run.arguments, (Lines{"/bin/ash", "-ec", "make"}));
    EXPECT_EQ(history_of(plan),
              (Lines{"before [layer]", "RUN /bin/ash -ec make # buildkit [layer]"}));
}

TEST(Plan, puts_labels_of_the_command_line_on_the_target_alone) {
    Case given("FROM a AS x\nLABEL a=1\nFROM x\n");
    given.options.labels = {{"a", "2"}, {"b", "3"}};
    given.options.stages_to_keep = {"x"};
    const Plan plan = plan_of(given);
    EXPECT_EQ(plan.stages.at(0).settings.labels, (std::map<std::string, std::string>{{"a", "1"}}));
    EXPECT_EQ(target_of(plan).settings.labels,
              (std::map<std::string, std::string>{{"a", "2"}, {"b", "3"}}));
    EXPECT_EQ(history_of(plan), (Lines{"LABEL a=1"}));
}

TEST(Plan, says_which_platform_the_target_is_for) {
    Case given("FROM --platform=$BUILDPLATFORM alpine\n");
    given.options.target_platform = kArm64;
    given.options.platform_requested = true;
    EXPECT_EQ(target_of(plan_of(given)).settings.platform, kArm64);
    Case implicit("FROM alpine\nRUN make\n");
    implicit.platforms[kAlpine] = kArm64;
    const Plan plan = plan_of(implicit);
    EXPECT_EQ(target_of(plan).settings.platform, kArm64);
    EXPECT_EQ(plan.steps.back().platform, kArm64);
}

TEST(Plan, ignores_the_cache_for_all_stages_or_for_some) {
    const std::string text = "FROM a AS x\nRUN 1\nFROM x AS y\nRUN 2\n";
    const auto ignored = [&](bool all, std::vector<std::string> stages) {
        Case given(text);
        given.options.no_cache = all;
        given.options.no_cache_stages = std::move(stages);
        std::string flags;
        for (const Step& step : plan_of(given).steps) {
            if (std::holds_alternative<RunStep>(step.what)) {
                flags += step.ignore_cache ? '1' : '0';
            }
        }
        return flags;
    };
    EXPECT_EQ(ignored(false, {}), "00");
    EXPECT_EQ(ignored(true, {}), "11");
    EXPECT_EQ(ignored(false, {"Y"}), "01");
    EXPECT_EQ(ignored(false, {"0"}), "00") << "a named stage has no number";
}

TEST(Plan, says_which_build_arguments_nothing_uses) {
    Case given("ARG A\nFROM a\nARG B\nFROM b\nARG C\n");
    for (const char* name : {"A", "B", "C", "D", "http_proxy", "BUILDKIT_INLINE_CACHE",
                             "SOURCE_DATE_EPOCH", "TARGETARCH"}) {
        given.options.build_arguments[name] = "1";
    }
    EXPECT_EQ(plan_of(given).unused_build_arguments, (Lines{"D"}));
}

TEST(Plan, passes_the_source_date_epoch_on) {
    EXPECT_EQ(plan_of("FROM a\n").source_date_epoch, std::nullopt);
    EXPECT_EQ(plan_of("ARG SOURCE_DATE_EPOCH=17\nFROM a\n").source_date_epoch, "17");
    Case given("ARG SOURCE_DATE_EPOCH=17\nFROM a\n");
    given.options.build_arguments["SOURCE_DATE_EPOCH"] = "18";
    EXPECT_EQ(plan_of(given).source_date_epoch, "18");
}

TEST(Plan, says_the_same_every_time) {
    const std::string text =
        "FROM a AS x\nRUN --mount=type=cache,target=/c make\nFROM b\nCOPY --from=x a b\n"
        "LABEL z=1 a=2\nEXPOSE 9 8 7\n";
    const Plan one = plan_of(text);
    const Plan two = plan_of(text);
    EXPECT_EQ(texts_of(one), texts_of(two));
    EXPECT_EQ(serialize(target_of(one).settings, {}, ""),
              serialize(target_of(two).settings, {}, ""));
}

}  // namespace
}  // namespace lazybuild::graph::testing
