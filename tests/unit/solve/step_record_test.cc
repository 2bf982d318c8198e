// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/step_record.h"

#include <gtest/gtest.h>

#include "tests/unit/solve/fake_build.h"

namespace lazybuild::solve {
namespace {

// A stage that makes a file, and one that copies it.
graph::StepId two_stages(FakeBuild& build, const std::string& image = "golang") {
    const graph::StepId made = build.run(build.image(image), "make");
    return build.copy(build.image("alpine"), made, "make");
}

std::vector<codec::Digest> keys_of(const StepRecord& record) {
    std::vector<codec::Digest> keys;
    for (const StepKey& key : record.keys) {
        keys.push_back(key.key);
    }
    return keys;
}

TEST(StepRecord, says_all_of_a_step_that_has_run) {
    FakeBuild build;
    const graph::StepId copy = two_stages(build);
    build.plan.steps[copy].stage = "final";
    build.plan.steps[copy].text = "[final 2/2] COPY make";
    ASSERT_TRUE(build.solve({copy}));
    const auto records = build.solver->records(build.plan);
    ASSERT_TRUE(records && records->size() == 2);
    const StepRecord& made = (*records)[0];
    const StepRecord& copied = (*records)[1];
    EXPECT_EQ(made.text, "RUN make");
    EXPECT_EQ(made.lines.first, 7U);
    EXPECT_EQ(made.keys.size(), 1U);
    EXPECT_TRUE(made.inputs.empty());  // an image has no key
    EXPECT_EQ(made.layer_ids, (std::vector{digest_of("golang"), made.layer}));
    EXPECT_EQ(made.resolution, Resolution::ran);

    EXPECT_EQ(copied.step, copy);
    EXPECT_EQ(copied.stage, "final");
    EXPECT_EQ(copied.text, "COPY make");
    EXPECT_EQ(copied.keys.size(), 2U);
    for (const StepKey& key : copied.keys) {
        EXPECT_EQ(digest_of(key.definition), key.key);
    }
    EXPECT_EQ(copied.inputs, std::vector<std::vector<codec::Digest>>(1, keys_of(made)));
    EXPECT_EQ(copied.base, chain_id(std::vector{digest_of("alpine")}));
    EXPECT_EQ(copied.files.size(), 1U);
    EXPECT_EQ(copied.input_names.size(), 2U);
    EXPECT_EQ(copied.input_names[1], "source 0 step RUN make");
    EXPECT_TRUE(copied.input_names[0].starts_with("base image alpine sha256:"));
}

TEST(StepRecord, is_given_for_a_directory_that_was_there_and_for_what_changed_nothing) {
    FakeBuild build;
    build.runner.behaviours["true"] = [](const RunRequest&) { return RunResult{}; };
    const graph::StepId directory = build.directory(build.image("alpine"), "/usr");
    ASSERT_TRUE(build.solve({build.run(directory, "true")}));
    const auto records = build.solver->records(build.plan);
    ASSERT_TRUE(records && records->size() == 2);
    const codec::Digest empty = digest_of("");
    EXPECT_EQ((*records)[0].text, "WORKDIR /usr");
    EXPECT_EQ((*records)[0].layer_ids, (std::vector{digest_of("alpine"), empty}));
    EXPECT_EQ((*records)[1].layer_ids, (std::vector{digest_of("alpine"), empty, empty}));
    EXPECT_EQ((*records)[1].inputs,
              std::vector<std::vector<codec::Digest>>(1, keys_of((*records)[0])));
}

TEST(StepRecord, has_the_other_key_of_a_step_that_was_found_by_its_names) {
    FakeBuild build;
    ASSERT_TRUE(build.solve({two_stages(build)}));
    const auto first = build.solver->records(build.plan);
    build.begin_again();
    build.selected = 0;
    ASSERT_TRUE(build.solve({two_stages(build)}));
    const auto second = build.solver->records(build.plan);
    ASSERT_TRUE(first && second && second->size() == 2);
    EXPECT_EQ(build.selected, 0);
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(keys_of((*second)[i]), keys_of((*first)[i]));
        EXPECT_EQ((*second)[i].keys.back().definition, (*first)[i].keys.back().definition);
        EXPECT_EQ((*second)[i].files, (*first)[i].files);
        EXPECT_EQ((*second)[i].inputs, (*first)[i].inputs);
        EXPECT_EQ((*second)[i].layer_ids, (*first)[i].layer_ids);
        EXPECT_EQ((*second)[i].resolution, Resolution::local);
    }
}

TEST(StepRecord, has_both_keys_of_a_step_that_was_found_by_content) {
    FakeBuild build;
    ASSERT_TRUE(build.solve({two_stages(build, "golang:1")}));
    const auto first = build.solver->records(build.plan);
    build.begin_again();
    ASSERT_TRUE(build.solve({two_stages(build, "golang:2")}));
    const auto second = build.solver->records(build.plan);
    ASSERT_TRUE(first && second && second->size() == 2);
    const StepRecord& copied = second->back();
    EXPECT_EQ(copied.resolution, Resolution::local);
    ASSERT_EQ(copied.keys.size(), 2U);
    EXPECT_EQ(copied.keys[1].key, first->back().keys[1].key);
    EXPECT_NE(copied.keys[0].key, first->back().keys[0].key);
}

TEST(StepRecord, has_no_key_that_rests_on_a_claim) {
    FakeBuild build;
    const auto end = [&](const std::string& image) {
        return build.copy(build.image("alpine"), build.image(image), "lang");
    };
    ASSERT_TRUE(build.solve({end("golang:1")}));
    const auto proven = build.solver->records(build.plan);
    build.claims = true;
    build.begin_again();
    ASSERT_TRUE(build.solve({end("golang:2")}));
    const auto claimed = build.solver->records(build.plan);
    ASSERT_TRUE(proven && claimed);
    EXPECT_EQ(build.copied, 1);
    EXPECT_EQ(keys_of(claimed->front()), (std::vector{proven->front().keys[1].key}));
}

TEST(StepRecord, knows_both_keys_and_the_cache_of_an_imported_one) {
    FakeBuild there;
    ASSERT_TRUE(there.solve({two_stages(there)}));
    const auto first = there.solver->records(there.plan);
    FakeImports imports;
    imports.take(there.records, "app:cache");
    FakeBuild here;
    ASSERT_TRUE(here.solve({two_stages(here)}, {.imported = &imports}));
    const auto second = here.solver->records(here.plan);
    ASSERT_TRUE(first && second && second->size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ((*second)[i].resolution, Resolution::imported);
        EXPECT_EQ((*second)[i].cache, "app:cache");
        EXPECT_EQ(keys_of((*second)[i]), keys_of((*first)[i]));
        EXPECT_EQ((*second)[i].inputs, (*first)[i].inputs);
    }
}

TEST(StepRecord, is_not_given_for_what_no_result_needs) {
    FakeBuild build;
    const graph::StepId base = build.image("alpine");
    build.run(base, "unused");
    const graph::StepId used = build.run(base, "used");
    ASSERT_TRUE(build.solve({used}));
    const auto records = build.solver->records(build.plan);
    ASSERT_TRUE(records && records->size() == 1);
    EXPECT_EQ(records->front().step, used);
}

TEST(StepRecord, tells_nobody_the_password_of_a_source) {
    FakeBuild build;
    const graph::StepId git =
        build.add({.what = graph::GitStep{.remote = "https://user:hunter2@example.org/x.git",
                                          .reference = "main"}});
    const graph::StepId http =
        build.add({.what = graph::HttpStep{.url = "https://example.org/@a?signature=hunter2"}});
    const graph::StepId base = build.image("alpine");
    const graph::StepId one = build.copy(base, git, "x");
    ASSERT_TRUE(build.solve({build.copy(one, http, "a")}));
    const auto records = build.solver->records(build.plan);
    ASSERT_TRUE(records && records->size() == 2);
    EXPECT_EQ(records->front().input_names[1], "source 0 git https://example.org/x.git#main");
    EXPECT_EQ(records->back().input_names[1], "source 0 http https://example.org/@a");
}

}  // namespace
}  // namespace lazybuild::solve
