// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/definition.h"

#include <functional>
#include <set>

#include "plan_fixture.h"

namespace lazybuild::graph::testing {
namespace {

std::string last_definition(const Case& given) {
    return definition(plan_of(given).steps.back());
}

TEST(Definition, of_a_run_has_a_line_for_each_field) {
    EXPECT_EQ(last_definition(Case("FROM scratch\nENV LANG=C\nARG V=1\nUSER me\nWORKDIR /w\n"
                                   "RUN --mount=type=cache,target=/c --mount=type=secret,id=k "
                                   "a\\n b\n")),
              "schema=1\nstep=run\nplatform=linux/amd64\narg 0=/bin/sh\narg 1=-c\n"
              "arg 2=a\\\\n b\nenv LANG=C\nenv " +
                  kPath +
                  "\nenv V=1\ndirectory=/w\nuser=me\nmount 0 type=cache\nmount 0 target=/c\n"
                  "mount 1 type=secret\nmount 1 target=/run/secrets/k\nmount 1 read "
                  "only=true\nmount 1 id=k\n"
                  "network=default\nhost name=buildkitsandbox\n");
}

TEST(Definition, of_a_copy_has_a_line_for_each_field) {
    EXPECT_EQ(last_definition(Case("FROM scratch\nCOPY --link --chown=1 --chmod=644 --exclude=x a "
                                   "b* <<f /d/\nhi\nf\n")),
              "schema=1\nstep=copy\nlink=true\nfile 0 name=f\nfile 0 mode=0644\nfile 0 content=" +
                  codec::sha256(as_bytes("hi\n")).text() +
                  "\nsource 0 0=a\nsource 0 1=b*\ndestination=/d/\nowner=1\npermissions=644\n"
                  "exclude 0=x\n");
}

// What changes nothing that a step makes.
TEST(Definition, is_the_same_whatever_stages_and_texts_are_called) {
    const auto with = [](const std::function<void(Case&)>& change) {
        Case given("FROM scratch AS a\nRUN make\n");
        change(given);
        return last_definition(given);
    };
    const std::string plain = with([](Case&) {});
    EXPECT_EQ(with([](Case& c) { c.text = "# more\n\nFROM scratch AS b\n\nrun make\n"; }), plain);
    EXPECT_EQ(with([](Case& c) { c.options.no_cache = true; }), plain);
    EXPECT_EQ(with([](Case& c) { c.options.build_arguments["HTTP_PROXY"] = "p"; }), plain);
    EXPECT_EQ(with([](Case& c) { c.options.labels["l"] = "v"; }), plain);
}

TEST(Definition, changes_with_everything_that_a_run_sees) {
    const std::string plain = last_definition(Case("FROM scratch\nRUN make\n"));
    std::set<std::string> seen = {plain};
    const char* const texts[] = {
        "RUN make all",
        "RUN [\"make\"]",
        "ENV A=1\nRUN make",
        "ARG A=2\nRUN make",
        "USER me\nRUN make",
        "WORKDIR /w\nRUN make",
        "SHELL [\"/bin/bash\", \"-c\"]\nRUN make",
        "RUN --network=none make",
        "RUN --network=host make",
        "RUN --security=insecure make",
        "RUN --mount=target=/x make",
        "RUN --mount=target=/y make",
        "RUN --mount=target=/x,rw make",
        "RUN --mount=target=/x,source=s make",
        "RUN --mount=type=cache,target=/x make",
        "RUN --mount=type=cache,target=/x,id=i make",
        "RUN --mount=type=cache,target=/x,mode=0700 make",
        "RUN --mount=type=tmpfs,target=/x make",
        "RUN --mount=type=tmpfs,target=/x,size=1m make",
        "RUN --mount=type=secret,id=x make",
        "RUN --mount=type=secret,id=x,required make",
        "RUN --mount=type=secret,id=x,env=X make",
        "RUN --mount=type=ssh make",
        "RUN --mount=type=ssh,id=x make",
        "RUN <<E\n#!/bin/sh\nmake\nE",
        "RUN <<E\n#!/bin/sh\nmake all\nE",
    };
    for (const char* text : texts) {
        EXPECT_TRUE(
            seen.insert(last_definition(Case(std::string("FROM scratch\n") + text + "\n"))).second)
            << text;
    }
    Case other("FROM scratch\nRUN make\n");
    other.options.target_platform = kArm64;
    EXPECT_TRUE(seen.insert(last_definition(other)).second);
    Case named("FROM scratch\nRUN make\n");
    named.options.build_arguments["BUILDKIT_SANDBOX_HOSTNAME"] = "box";
    EXPECT_TRUE(seen.insert(last_definition(named)).second);
}

TEST(Definition, leaves_out_who_shares_a_cache_and_the_order_of_the_environment) {
    const auto of = [](const std::string& text) {
        return last_definition(Case("FROM scratch\n" + text + "\n"));
    };
    EXPECT_EQ(of("RUN --mount=type=cache,target=/x,sharing=locked make"),
              of("RUN --mount=type=cache,target=/x make"));
    EXPECT_EQ(of("RUN --mount=type=cache,target=/x,id=/x make"),
              of("RUN --mount=type=cache,target=/x make"));
    EXPECT_EQ(of("ENV A=1 B=2\nRUN make"), of("ENV B=2\nENV A=1\nRUN make"));
}

TEST(Definition, cannot_be_forged_by_values_with_line_ends) {
    const auto of = [](const std::string& text, const std::string& value) {
        Case given("FROM scratch\nARG A\n" + text + "RUN make\n");
        given.options.build_arguments["A"] = value;
        return last_definition(given);
    };
    EXPECT_NE(of("", "1\ndirectory=/\nuser=x"), of("USER x\n", "1"));
    EXPECT_NE(of("", "1\nB"), of("", "1\\nB"));
}

TEST(Definition, of_sources_has_what_they_hold) {
    Step step;
    step.what = ImageStep{.name = "n", .place = "p", .manifest = codec::sha256(as_bytes("m"))};
    EXPECT_EQ(definition(step),
              "schema=1\nstep=image\nmanifest=" + codec::sha256(as_bytes("m")).text() + "\n");
    step.what = GitStep{.remote = "r", .reference = "f", .directory = "d", .checksum = "c"};
    EXPECT_EQ(definition(step),
              "schema=1\nstep=git\nremote=r\nreference=f\ndirectory=d\nchecksum=c\n"
              "submodules=true\n");
    step.what = HttpStep{.url = "u", .file_name = "f", .checksum = {}};
    EXPECT_EQ(definition(step), "schema=1\nstep=http\nurl=u\nfile name=f\n");
    step.what = DirectoryStep{.base = 1, .path = "/a", .user = "me"};
    EXPECT_EQ(definition(step), "schema=1\nstep=directory\npath=/a\nuser=me\n");
    step.what = ScratchStep{};
    EXPECT_EQ(definition(step), "schema=1\nstep=scratch\n");
}

}  // namespace
}  // namespace lazybuild::graph::testing
