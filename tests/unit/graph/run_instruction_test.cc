// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/stage_planner.h"
#include "plan_fixture.h"

namespace lazybuild::graph::testing {
namespace {

TEST(Run, becomes_the_words_that_are_started) {
    struct Row {
        const char* text;
        Lines arguments;
        const char* history;
    };
    const Row rows[] = {
        {"RUN make all",
         {"/bin/sh", "-c", "make all"},
         "RUN /bin/sh -c make all # buildkit [layer]"},
        {"RUN [\"make\", \"all it\"]", {"make", "all it"}, "RUN make all it # buildkit [layer]"},
        {"RUN echo $HOME ${X:-y}",
         {"/bin/sh", "-c", "echo $HOME ${X:-y}"},
         "RUN /bin/sh -c echo $HOME ${X:-y} # buildkit [layer]"},
        {"RUN <<EOF\nset -e\nmake\nEOF",
         {"/bin/sh", "-c", "set -e\nmake\n"},
         "RUN /bin/sh -c set -e\nmake\n # buildkit [layer]"},
        {"RUN <<EOF\n#!/usr/bin/python3\nprint(1)\nEOF",
         {"/bin/sh", "-c", "/dev/pipes/EOF"},
         "RUN /bin/sh -c /dev/pipes/EOF # buildkit [layer]"},
        {"RUN cat <<A - <<B\n1\nA\n2\nB",
         {"/bin/sh", "-c", "cat <<A - <<B\n1\nA\n2\nB"},
         "RUN /bin/sh -c cat <<A - <<B\n1\nA\n2\nB # buildkit [layer]"},
    };
    for (const Row& row : rows) {
        const Plan plan = plan_of(std::string("FROM scratch\n") + row.text + "\n");
        EXPECT_EQ(last_step<RunStep>(plan).arguments, row.arguments) << row.text;
        EXPECT_EQ(history_of(plan), (Lines{row.history})) << row.text;
    }
}

TEST(Run, has_the_script_of_a_heredoc_with_an_interpreter) {
    const Plan plan = plan_of("FROM scratch\nRUN <<-EOF\n\t#!/bin/awk -f\n\tBEGIN {}\nEOF\n");
    const auto& run = last_step<RunStep>(plan);
    ASSERT_TRUE(run.script);
    EXPECT_EQ(run.script->name, "EOF");
    EXPECT_EQ(run.script->mode, 0755U);
    EXPECT_EQ(run.script->content, "#!/bin/awk -f\nBEGIN {}\n");
}

TEST(Run, uses_the_shell_of_its_stage) {
    const Plan plan = plan_of("FROM scratch\nSHELL [\"/bin/bash\", \"-euc\"]\nRUN make\n");
    EXPECT_EQ(last_step<RunStep>(plan).arguments, (Lines{"/bin/bash", "-euc", "make"}));
}

TEST(Run, sees_arguments_and_environment_the_later_one_winning) {
    Case given(
        "ARG GLOBAL=g\nFROM scratch\nARG GLOBAL\nENV X=1\nARG X=2\nARG Y=3\nENV Y=4\nARG NONE\n"
        "ARG GIVEN=default\nRUN make\n");
    given.options.build_arguments = {{"GIVEN", "given"}, {"OTHER", "o"}};
    const Plan plan = plan_of(given);
    EXPECT_EQ(last_step<RunStep>(plan).environment,
              (Lines{kPath, "GLOBAL=g", "X=2", "Y=4", "GIVEN=given"}));
    EXPECT_EQ(target_of(plan).settings.environment, (Lines{kPath, "X=1", "Y=4"}));
    EXPECT_EQ(history_of(plan).back(),
              "RUN |5 GLOBAL=g X=2 Y=4 NONE= GIVEN=given /bin/sh -c make # buildkit [layer]");
}

TEST(Run, does_not_see_the_arguments_of_unrelated_stages) {
    const Plan plan =
        plan_of("FROM scratch AS a\nARG A=1\nFROM scratch\nCOPY --from=a x y\nRUN make\n");
    EXPECT_EQ(last_step<RunStep>(plan).environment, (Lines{kPath}));
}

TEST(Run, sees_the_arguments_of_the_stage_that_it_is_built_on) {
    const Plan plan = plan_of("FROM scratch AS a\nENV X=1\nARG X=2\nARG A=1\nFROM a\nRUN make\n");
    // The image's X is set again where the new stage begins.
    EXPECT_EQ(last_step<RunStep>(plan).environment, (Lines{kPath, "X=1", "A=1"}));
    EXPECT_EQ(history_of(plan).back(), "RUN |2 X=1 A=1 /bin/sh -c make # buildkit [layer]");
}

TEST(Run, gets_proxies_in_both_cases_and_beside_the_environment) {
    Case given("FROM scratch\nRUN make\n");
    given.options.build_arguments = {{"HTTP_PROXY", "p"}, {"no_proxy", "n"}};
    const Plan plan = plan_of(given);
    const auto& run = last_step<RunStep>(plan);
    EXPECT_EQ(run.environment, (Lines{kPath}));
    EXPECT_EQ(run.proxies,
              (std::map<std::string, std::string>{
                  {"HTTP_PROXY", "p"}, {"http_proxy", "p"}, {"NO_PROXY", "n"}, {"no_proxy", "n"}}));
    EXPECT_EQ(history_of(plan).back(), "RUN /bin/sh -c make # buildkit [layer]");
}

TEST(Run, has_network_security_user_and_host_name) {
    Case given(
        "FROM scratch\nUSER me:us\nWORKDIR /a/../b/\n"
        "RUN --network=none --security=insecure make\nRUN make\n");
    given.options.network = "host";
    given.options.build_arguments["BUILDKIT_SANDBOX_HOSTNAME"] = "box";
    const Plan plan = plan_of(given);
    const auto& first = std::get<RunStep>(plan.steps.at(plan.steps.size() - 2).what);
    EXPECT_EQ(first.network, "none");
    EXPECT_TRUE(first.insecure);
    EXPECT_EQ(first.user, "me:us");
    EXPECT_EQ(first.working_directory, "/b");
    EXPECT_EQ(first.host_name, "box");
    const auto& second = last_step<RunStep>(plan);
    EXPECT_EQ(second.network, "host");
    EXPECT_FALSE(second.insecure);
    EXPECT_EQ(last_step<RunStep>(plan_of("FROM scratch\nRUN make\n")).host_name, "buildkitsandbox");
}

TEST(Run, mounts_files_of_the_context_through_a_copy) {
    const Plan plan = plan_of("FROM scratch\nWORKDIR /w\nRUN --mount=source=./a/*,target=b make\n");
    const RunMount mount = last_step<RunStep>(plan).mounts.at(0);
    EXPECT_EQ(mount.type, RunMount::Type::bind);
    EXPECT_EQ(mount.target, "/w/b");
    EXPECT_EQ(mount.source, "a/*");
    EXPECT_TRUE(mount.read_only);
    const auto& copy = std::get<CopyStep>(plan.steps.at(*mount.from).what);
    EXPECT_EQ(copy.sources.at(0).patterns, (Lines{"a/\\*"})) << "a mount's source is no pattern";
    EXPECT_TRUE(copy.parents);
    EXPECT_EQ(copy.destination, "/");
    EXPECT_TRUE(std::holds_alternative<ContextStep>(plan.steps.at(copy.sources.at(0).from).what));
}

TEST(Run, mounts_files_of_stages_contexts_and_images) {
    Case given(
        "FROM scratch AS a\nCOPY x y\nFROM scratch\n"
        "RUN --mount=from=a,target=/1,rw --mount=from=tools,target=/2 "
        "--mount=from=files,target=/3 --mount=from=scratch,target=/4 make\n");
    given.options.contexts["files"] = {.kind = NamedContext::Kind::files, .place = ""};
    const Plan plan = plan_of(given);
    const auto& mounts = last_step<RunStep>(plan).mounts;
    EXPECT_EQ(mounts.at(0).from, plan.stages.at(0).result);
    EXPECT_FALSE(mounts.at(0).read_only);
    EXPECT_EQ(std::get<ImageStep>(plan.steps.at(*mounts.at(1).from).what).name,
              "docker.io/library/tools:latest");
    const auto& copy = std::get<CopyStep>(plan.steps.at(*mounts.at(2).from).what);
    EXPECT_EQ(std::get<ContextStep>(plan.steps.at(copy.sources.at(0).from).what).name, "files");
    EXPECT_TRUE(std::holds_alternative<ScratchStep>(plan.steps.at(*mounts.at(3).from).what));
}

TEST(Run, names_caches) {
    struct Row {
        const char* options;
        const char* scope;
        const char* id;
    };
    const Row rows[] = {
        {"target=/root/.cache/", "", "/root/.cache"},
        {"target=cache", "", "cache"},
        {"target=/c,id=mine", "", "mine"},
        {"target=/c,id=mine", "ns", "ns/mine"},
        {"target=/c", "ns", "ns//c"},
    };
    for (const Row& row : rows) {
        Case given(std::string("FROM scratch\nRUN --mount=type=cache,") + row.options + " make\n");
        if (*row.scope != '\0') {
            given.options.build_arguments["BUILDKIT_CACHE_MOUNT_NS"] = row.scope;
        }
        const RunMount mount = last_step<RunStep>(plan_of(given)).mounts.at(0);
        EXPECT_EQ(mount.id, row.id) << row.options;
        EXPECT_FALSE(mount.from);
        EXPECT_FALSE(mount.read_only);
    }
}

TEST(Run, places_secrets) {
    struct Row {
        const char* options;
        const char* id;
        const char* target;
        const char* variable;
    };
    const Row rows[] = {
        {"id=a/key", "a/key", "/run/secrets/key", ""},
        {"id=key,target=/k", "key", "/k", ""},
        {"target=/etc/key", "key", "/etc/key", ""},
        {"id=key,env=KEY", "key", "", "KEY"},
        {"id=key,env=KEY,target=/k", "key", "/k", "KEY"},
        {"source=key", "key", "/run/secrets/key", ""},
    };
    for (const Row& row : rows) {
        const Plan plan = plan_of(std::string("FROM scratch\nRUN --mount=type=secret,") +
                                  row.options + " make\n");
        const RunMount mount = last_step<RunStep>(plan).mounts.at(0);
        EXPECT_EQ(mount.id, row.id) << row.options;
        EXPECT_EQ(mount.target, row.target) << row.options;
        EXPECT_EQ(mount.variable, row.variable) << row.options;
    }
}

TEST(Run, numbers_ssh_agents_without_a_target) {
    const Plan plan = plan_of(
        "FROM scratch\nRUN --mount=type=ssh --mount=type=ssh,id=b,required "
        "--mount=type=ssh,target=/s make\n");
    const auto& mounts = last_step<RunStep>(plan).mounts;
    EXPECT_EQ(mounts.at(0).id, "default");
    EXPECT_EQ(mounts.at(0).target, "/run/buildkit/ssh_agent.0");
    EXPECT_EQ(mounts.at(1).target, "/run/buildkit/ssh_agent.1");
    EXPECT_TRUE(mounts.at(1).required);
    EXPECT_EQ(mounts.at(2).target, "/s");
}

TEST(Run, expands_the_values_of_mounts) {
    const Plan plan = plan_of(
        "FROM scratch\nARG T=/t\nENV ID=x\n"
        "RUN --mount=type=cache,target=$T/c,id=${ID}-1,sharing=locked,mode=0700,uid=5 make\n");
    const RunMount mount = last_step<RunStep>(plan).mounts.at(0);
    EXPECT_EQ(mount.target, "/t/c");
    EXPECT_EQ(mount.id, "x-1");
    EXPECT_EQ(mount.sharing, RunMount::Sharing::locked);
    EXPECT_EQ(mount.mode, 0700U);
    EXPECT_EQ(mount.uid, 5U);
}

TEST(Run, refuses_what_cannot_be_mounted) {
    struct Row {
        const char* flag;
        const char* error;
    };
    const Row rows[] = {
        {"--mount=target=/", "Dockerfile:2: invalid mount target \"/\""},
        {"--mount=type=tmpfs,target=/x/..", "Dockerfile:2: invalid mount target \"/\""},
        {"--mount=type=cache", "Dockerfile:2: invalid mount target \"/\""},
        {"--mount=from=$X,target=/t",
         "Dockerfile:2: 'from' doesn't support variable expansion, define alias stage instead"},
        {"--device=vendor/a=b", "Dockerfile:2: RUN --device is not supported; remove the flag"},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(error_of(std::string("FROM scratch\nRUN ") + row.flag + " make\n"), row.error);
    }
}

}  // namespace
}  // namespace lazybuild::graph::testing
