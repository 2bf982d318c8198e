// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/stage_planner.h"
#include "plan_fixture.h"

namespace lazybuild::graph::testing {
namespace {

ImageSettings settings_of(const std::string& text) {
    return target_of(plan_of("FROM scratch\n" + text + "\n")).settings;
}

TEST(Settings, have_the_history_that_buildkit_writes) {
    struct Row {
        const char* text;
        const char* history;
    };
    const Row rows[] = {
        {"ENV A=1 B=\"x y\"", "ENV A=1 B=x y"},
        {"ENV A some text", "ENV A=some text"},
        {"LABEL a=1 \"b c\"=\"d\"", "LABEL a=1 b c=d"},
        {"ARG A=1 B", "ARG A=1 B"},
        {"EXPOSE 80 443/tcp 53/UDP", "EXPOSE [443/tcp 53/udp 80/tcp]"},
        {"EXPOSE 8000-8002", "EXPOSE [8000/tcp 8001/tcp 8002/tcp]"},
        {"VOLUME /a /b", "VOLUME [/a /b]"},
        {"USER a:b", "USER a:b"},
        {"STOPSIGNAL SIGINT", "STOPSIGNAL SIGINT"},
        {"SHELL [\"/bin/bash\", \"-c\"]", "SHELL [/bin/bash -c]"},
        {"CMD echo \"hi\"", "CMD [\"/bin/sh\" \"-c\" \"echo \\\"hi\\\"\"]"},
        {"CMD [\"a\", \"b\\n\"]", "CMD [\"a\" \"b\\n\"]"},
        {"ENTRYPOINT [\"a\"]", "ENTRYPOINT [\"a\"]"},
        {"ENTRYPOINT []", "ENTRYPOINT []"},
        {"HEALTHCHECK NONE",
         "HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s "
         "Retries:0}"},
        {"HEALTHCHECK --interval=90s --timeout=1500ms --retries=3 CMD curl -f x",
         "HEALTHCHECK {Test:[CMD-SHELL curl -f x] Interval:1m30s Timeout:1.5s StartPeriod:0s "
         "StartInterval:0s Retries:3}"},
        {"MAINTAINER Jo <jo@x>", "MAINTAINER Jo <jo@x>"},
        {"WORKDIR /", "WORKDIR /"},
        {"WORKDIR a/b", "WORKDIR /a/b [layer]"},
    };
    for (const Row& row : rows) {
        const Plan plan = plan_of(std::string("FROM scratch\n") + row.text + "\n");
        EXPECT_EQ(history_of(plan), (Lines{row.history})) << row.text;
        EXPECT_EQ(target_of(plan).settings.history.at(0).comment, "buildkit.dockerfile.v0");
    }
}

TEST(Settings, are_what_the_instructions_say) {
    const ImageSettings settings = settings_of(
        "ENV A=1\nENV B=2 A=3\nLABEL z=1\nLABEL a=2 z=3\nEXPOSE 9 80/udp\nEXPOSE 80 9\n"
        "VOLUME [\"/v\", \"/a b\"]\nVOLUME /v\nUSER me\nSTOPSIGNAL 9\nSHELL [\"/sh\"]\n"
        "MAINTAINER Jo\nONBUILD RUN a\nONBUILD COPY b c\nWORKDIR /w\nWORKDIR x/../y\n");
    EXPECT_EQ(settings.environment, (Lines{kPath, "A=3", "B=2"}));
    EXPECT_EQ(settings.labels, (std::map<std::string, std::string>{{"a", "2"}, {"z", "3"}}));
    EXPECT_EQ(settings.exposed_ports, (Lines{"80/tcp", "80/udp", "9/tcp"}));
    EXPECT_EQ(settings.volumes, (Lines{"/a b", "/v"}));
    EXPECT_EQ(settings.user, "me");
    EXPECT_EQ(settings.stop_signal, "9");
    EXPECT_EQ(settings.shell, (Lines{"/sh"}));
    EXPECT_EQ(settings.author, "Jo");
    EXPECT_EQ(settings.onbuild, (Lines{"RUN a", "COPY b c"}));
    EXPECT_EQ(settings.working_directory, "/w/y");
}

TEST(Settings, expand_with_the_values_from_before_the_instruction) {
    struct Row {
        const char* text;
        Lines environment;
    };
    const Row rows[] = {
        {"ENV a=1\nENV a=2 b=$a", {kPath, "a=2", "b=1"}},
        {"ARG a=1 b=$a\nENV c=$b", {kPath, "c=1"}},
        {"ENV n=x\nENV $n=1", {kPath, "n=x", "x=1"}},
        {"ENV a='$b' c=\"\\$d\"", {kPath, "a=$b", "c=$d"}},
        {"ENV PATH=/x:$PATH", {"PATH=/x:" + kPath.substr(5)}},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(settings_of(row.text).environment, row.environment) << row.text;
    }
}

TEST(Settings, expand_in_all_instructions_that_do) {
    const ImageSettings settings = settings_of(
        "ARG A=a P=\"80 81/udp\" S=INT\nUSER $A\nLABEL l=$A\nVOLUME /$A\nEXPOSE $P\n"
        "STOPSIGNAL $S\nWORKDIR /$A\nCMD echo $A\nSHELL [\"$A\"]\nHEALTHCHECK CMD $A\n");
    EXPECT_EQ(settings.user, "a");
    EXPECT_EQ(settings.labels.at("l"), "a");
    EXPECT_EQ(settings.volumes, (Lines{"/a"}));
    EXPECT_EQ(settings.exposed_ports, (Lines{"80/tcp", "81/udp"}));
    EXPECT_EQ(settings.stop_signal, "INT");
    EXPECT_EQ(settings.working_directory, "/a");
    EXPECT_EQ(settings.command.value(), (Lines{"/bin/sh", "-c", "echo $A"}));
    EXPECT_EQ(settings.shell, (Lines{"$A"}));
    EXPECT_EQ(settings.health.value().test, (Lines{"CMD-SHELL", "$A"}));
}

TEST(Settings, entrypoint_drops_the_command_of_the_base_alone) {
    Case given("FROM base\nENTRYPOINT [\"e\"]\n");
    given.images["docker.io/library/base:latest"].command = Lines{"old"};
    EXPECT_FALSE(target_of(plan_of(given)).settings.command);
    given.text = "FROM base\nCMD [\"new\"]\nENTRYPOINT [\"e\"]\n";
    const ImageSettings settings = target_of(plan_of(given)).settings;
    EXPECT_EQ(settings.command.value(), (Lines{"new"}));
    EXPECT_EQ(settings.entrypoint.value(), (Lines{"e"}));
    EXPECT_TRUE(settings.args_escaped);
    given.text = "FROM base AS a\nCMD [\"mine\"]\nFROM a\nENTRYPOINT [\"e\"]\n";
    EXPECT_FALSE(target_of(plan_of(given)).settings.command) << "of another stage is of a base";
}

TEST(Settings, refuse_what_cannot_be) {
    struct Row {
        const char* text;
        const char* error;
    };
    const Row rows[] = {
        {"VOLUME [\"\"]", "VOLUME specified can not be an empty string"},
        {"STOPSIGNAL SIGNONE", "invalid signal: SIGNONE"},
        {"EXPOSE 80/icmp", "invalid port: \"80/icmp\": invalid proto: icmp"},
        {"EXPOSE 70000", "invalid containerPort: 70000"},
        {"ENV A=${B:?missing}", "B: missing"},
    };
    for (const Row& row : rows) {
        const std::string error = error_of(std::string("FROM scratch\n") + row.text + "\n");
        EXPECT_TRUE(error.starts_with("Dockerfile:2: ")) << error;
        EXPECT_NE(error.find(row.error), std::string::npos) << error;
    }
}

}  // namespace
}  // namespace lazybuild::graph::testing
