// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build_checks.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "builder/dockerfile/parser.h"

namespace lazybuild::cli {
namespace {

Result<Checked> check(const dockerfile::Dockerfile& file,
                      const std::map<std::string, std::string>& build_arguments = {},
                      const graph::Plan& plan = {}, const std::string& ignore_file = "") {
    TRY(const auto ignored, dockerfile::IgnorePatterns::parse(ignore_file, ".dockerignore"));
    return check_dockerfile(
        {.file = file, .plan = plan, .ignored = ignored, .build_arguments = build_arguments});
}

TEST(CheckSyntax, takes_every_frontend_that_is_built_in) {
    for (const char* const name :
         {"docker/dockerfile:1", "docker.io/docker/dockerfile:1.7-labs",
          "docker/dockerfile-upstream:master", "dockerfile.v0", "docker/dockerfile:1@sha256:abc"}) {
        const auto remark = check_syntax(std::string("# syntax=") + name + "\nFROM a\n", {});
        ASSERT_TRUE(remark) << name;
        EXPECT_FALSE(*remark) << name;
    }
}

TEST(CheckSyntax, remarks_on_a_newer_one_and_refuses_others) {
    const auto newer = check_syntax("# syntax=docker/dockerfile:1.99\nFROM a\n", {});
    ASSERT_TRUE(newer && *newer);
    EXPECT_NE((*newer)->find("1.99"), std::string::npos);
    const auto other = check_syntax("# syntax=example.com/hlb:2\nFROM a\n", {});
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, std::errc::not_supported);
    const auto overruled = check_syntax("# syntax=example.com/hlb:2\nFROM a\n",
                                        {{"BUILDKIT_SYNTAX", "docker/dockerfile:1"}});
    EXPECT_TRUE(overruled);
}

TEST(CheckDockerfile, prints_findings_with_their_lines) {
    const auto file = dockerfile::parse("FROM alpine as one\nCMD echo hi\n", "Dockerfile");
    ASSERT_TRUE(file) << file.error().message;
    const auto checked = check(*file);
    ASSERT_TRUE(checked) << checked.error().message;
    ASSERT_EQ(checked->findings.size(), 2U);
    const std::string text = findings_text(*file, *checked);
    EXPECT_TRUE(text.starts_with("Check complete, 2 warnings have been found!\n")) << text;
    EXPECT_NE(text.find("WARNING: JSONArgsRecommended"), std::string::npos);
    EXPECT_NE(text.find("2 | >>> CMD echo hi"), std::string::npos);
    const auto json = nlohmann::json::parse(findings_json(*file, *checked));
    EXPECT_EQ(json["warnings"][0]["ruleName"], "FromAsCasing");
    EXPECT_EQ(json["warnings"][1]["location"]["ranges"][0]["start"]["line"], 2);
}

TEST(CheckDockerfile, is_silent_where_it_was_told_to) {
    const auto file = dockerfile::parse("FROM alpine as one\n", "Dockerfile");
    ASSERT_TRUE(file);
    const auto checked = check(*file, {{"BUILDKIT_DOCKERFILE_CHECK", "skip=all"}});
    ASSERT_TRUE(checked);
    EXPECT_EQ(findings_text(*file, *checked), "Check complete, no warnings found.\n");
}

TEST(CheckDockerfile, finds_copies_of_what_is_ignored) {
    const auto file = dockerfile::parse("FROM alpine\nCOPY a b /\n", "Dockerfile");
    ASSERT_TRUE(file);
    graph::Plan plan;
    plan.steps.push_back({.what = graph::ContextStep{.name = "context"}});
    graph::CopyStep copy;
    copy.sources.push_back({.from = 0, .patterns = {"a", "b", "*"}});
    plan.steps.push_back({.what = copy, .text = "[1/1] COPY a b /", .lines = {2, 2}});
    const auto found = check(*file, {}, plan, "b\n");
    ASSERT_TRUE(found && found->findings.size() == 1);
    EXPECT_EQ(found->findings[0].rule, "CopyIgnoredFile");
    const auto with_exception = check(*file, {}, plan, "b\n!b/c\n");
    ASSERT_TRUE(with_exception);
    EXPECT_TRUE(with_exception->findings.empty());
}

}  // namespace
}  // namespace lazybuild::cli
