// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/build_report.h"

#include <gtest/gtest.h>

namespace lazybuild::cli {
namespace {

ReportInput input_of(std::vector<TaskRecord> tasks) {
    const solve::Time began{};
    return ReportInput{.title = "app:1",
                       .tasks = std::move(tasks),
                       .warnings = {},
                       .began = began,
                       .ended = began + std::chrono::seconds(10),
                       .error = {},
                       .results = {}};
}

TaskRecord step(solve::TaskId id, std::string text, std::vector<solve::TaskId> inputs = {}) {
    TaskRecord task{.id = id, .text = std::move(text)};
    task.ended = solve::Time{} + std::chrono::seconds(id);
    task.report = solve::StepReport{.stage = "build", .inputs = std::move(inputs)};
    return task;
}

TEST(BuildReport, escapes_what_a_dockerfile_says) {
    TaskRecord evil = step(1, "RUN echo '<script>alert(1)</script>' \"&");
    evil.report->stage = "</svg><b>";
    evil.report->why_not_cached = "<img src=x>";
    evil.report->fetched_from.emplace_back("<i>", 7);
    evil.outcome = solve::Outcome::failed;
    evil.last_lines.emplace_back("</pre><script>");
    ReportInput input = input_of({evil});
    input.title = "<title>";
    input.error = "<error>";
    input.warnings.emplace_back("<warning>");
    const std::string html = report_html(input);
    for (const char* const raw : {"<script>", "<img", "<i>", "<b></b>", "</svg><b>", "<error>",
                                  "<warning>", "<title><title>"}) {
        EXPECT_EQ(html.find(raw), std::string::npos) << raw;
    }
    EXPECT_NE(html.find("&lt;script&gt;alert(1)"), std::string::npos);
}

TEST(BuildReport, needs_nothing_from_outside) {
    const std::string html = report_html(input_of({step(1, "RUN make")}));
    EXPECT_EQ(html.find("http://"), std::string::npos);
    EXPECT_EQ(html.find("https://"), std::string::npos);
    EXPECT_EQ(html.find("<script"), std::string::npos);
}

TEST(BuildReport, draws_an_edge_for_each_input) {
    const std::string html = report_html(
        input_of({step(1, "FROM a"), step(2, "RUN b", {1}), step(3, "COPY c", {1, 2})}));
    std::size_t edges = 0;
    for (std::size_t at = html.find("class=\"edge\""); at != std::string::npos;
         at = html.find("class=\"edge\"", at + 1)) {
        ++edges;
    }
    EXPECT_EQ(edges, 3U);
}

TEST(BuildReport, tells_why_a_step_ran_and_what_it_fetched) {
    TaskRecord task = step(1, "RUN make");
    task.report->why_not_cached = "a step before it made something else";
    task.report->fetched_bytes = 1'500'000;
    task.report->fetched_from.emplace_back("sha256:0123456789abcdef", 1'500'000);
    const std::string html = report_html(input_of({task}));
    EXPECT_NE(html.find("a step before it made something else"), std::string::npos);
    EXPECT_NE(html.find("1.50MB from <code>sha256:0123456789ab</code>"), std::string::npos);
}

TEST(BuildReport, names_the_cache_in_which_a_step_was_found) {
    TaskRecord task = step(1, "RUN make");
    task.outcome = solve::Outcome::cached;
    EXPECT_EQ(report_html(input_of({task})).find("from "), std::string::npos);
    task.report->cache = "registry.example/<app>:cache";
    EXPECT_NE(report_html(input_of({task})).find("from registry.example/&lt;app&gt;:cache"),
              std::string::npos);
}

TEST(BuildReport, stands_for_a_build_in_which_nothing_happened) {
    EXPECT_NE(report_html(input_of({})).find("No step was reached"), std::string::npos);
}

}  // namespace
}  // namespace lazybuild::cli
