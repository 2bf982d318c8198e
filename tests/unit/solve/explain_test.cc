// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/explain.h"

#include <gtest/gtest.h>

#include "tests/unit/solve/fake_build.h"

namespace lazybuild::solve {
namespace {

std::string explained(FakeBuild& build) {
    return explanation_text(build.solver->explanations(build.plan));
}

// What a step's text is followed by.
StepExplanation find(FakeBuild& build, const std::string& text) {
    for (StepExplanation& step : build.solver->explanations(build.plan)) {
        if (step.text == text) {
            return step;
        }
    }
    return {.text = "none"};
}

graph::StepId chain(FakeBuild& build, const std::string& base = "alpine") {
    return build.run(build.run(build.image(base), "make"), "test");
}

TEST(Explain, tells_of_each_step_in_order) {
    FakeBuild build;
    ASSERT_TRUE(build.solve({chain(build)}));
    build.begin_again();
    const graph::StepId test = chain(build);
    ASSERT_TRUE(build.solve({build.run(test, "more")}));
    EXPECT_EQ(explained(build),
              "cached    RUN make\n"
              "cached    RUN test\n"
              "ran       RUN more\n"
              "          no step like this is known\n");
}

TEST(Explain, blames_the_lowest_step_that_changed_for_all_above_it) {
    FakeBuild build;
    ASSERT_TRUE(build.solve({chain(build)}));
    build.begin_again();
    ASSERT_TRUE(build.solve({chain(build, "debian")}));
    EXPECT_TRUE(find(build, "RUN make").why.starts_with("its image changed: alpine sha256:"));
    EXPECT_EQ(find(build, "RUN test").why, "a step before it made something else: RUN make");
    build.begin_again();
    const graph::StepId base = build.image("debian");
    const graph::StepId first = build.run(base, "make");
    build.plan.steps[first].text = "RUN make -j2";
    std::get<graph::RunStep>(build.plan.steps[first].what).arguments = {"make -j2"};
    const graph::StepId second = build.run(build.run(first, "test"), "ship");
    ASSERT_TRUE(build.solve({second}));
    EXPECT_EQ(find(build, "RUN make -j2").why, "the instruction changed: RUN make -> RUN make -j2");
    EXPECT_EQ(find(build, "RUN test").why, "a step before it made something else: RUN make -j2");
}

TEST(Explain, looks_below_a_linked_copy_that_was_found) {
    FakeBuild build;
    const auto linked_onto = [&build](const std::string& base, const std::string& text) {
        const graph::StepId first = build.run(build.image(base), "make");
        build.plan.steps[first].text = "RUN " + text;
        std::get<graph::RunStep>(build.plan.steps[first].what).arguments = {text};
        return build.run(build.copy(first, build.context(), "a", true), "test");
    };
    ASSERT_TRUE(build.solve({linked_onto("alpine", "make")}));
    build.begin_again();
    ASSERT_TRUE(build.solve({linked_onto("alpine", "make -j2")}));
    EXPECT_EQ(find(build, "COPY a").outcome, StepOutcome::cached);
    EXPECT_EQ(find(build, "RUN test").why, "a step before it made something else: RUN make -j2");
}

TEST(Explain, knows_a_step_that_does_not_make_the_same_each_time) {
    FakeBuild build;
    ASSERT_TRUE(build.solve({chain(build)}));
    build.store.drop("make(alpine;)");
    build.runner.behaviours["make"] = [&](const RunRequest&) { return build.runner.made("other"); };
    build.begin_again();
    ASSERT_TRUE(build.solve({build.run(chain(build), "more")}));
    EXPECT_EQ(find(build, "RUN test").why,
              "a step before it made something else: RUN make (of the same input: it does not make "
              "the same each time)");
}

TEST(Explain, says_what_became_of_a_layer_that_is_known_and_not_here) {
    FakeBuild there;
    ASSERT_TRUE(there.solve({chain(there)}));
    FakeImports imports;
    imports.take(there.records, "app:cache",
                 "the cache app:cache was exported with mode=min: its layer was never uploaded");
    FakeBuild here;
    const graph::StepId test = chain(here);
    ASSERT_TRUE(here.solve({here.run(test, "more")}, {.imported = &imports, .explain = true}));
    EXPECT_EQ(find(here, "RUN make").why,
              "known, but the cache app:cache was exported with mode=min: its layer was never "
              "uploaded");
    // The store's own.
    here.store.drop("make(alpine;)");
    here.begin_again();
    ASSERT_TRUE(here.solve({here.run(chain(here), "even more")}));
    EXPECT_EQ(find(here, "RUN make").why, "known, but its layer is gone from the store");
}

TEST(Explain, asks_caches_only_when_it_is_wanted) {
    FakeBuild there;
    ASSERT_TRUE(there.solve({chain(there)}));
    FakeImports imports;
    imports.take(there.records, "app:cache");
    FakeBuild here;
    ASSERT_TRUE(here.solve({chain(here, "debian")}, {.imported = &imports}));
    EXPECT_EQ(imports.explanations, 0);
    FakeBuild other;
    ASSERT_TRUE(other.solve({chain(other, "debian")}, {.imported = &imports, .explain = true}));
    EXPECT_GT(imports.explanations, 0);
    EXPECT_TRUE(find(other, "RUN make").why.ends_with("(compared with the cache app:cache)"));
}

TEST(Explain, says_which_caches_cannot_tell_what_changed) {
    FakeImports imports;
    imports.silent = {"app:1", "app:2"};
    FakeBuild here;
    ASSERT_TRUE(here.solve({chain(here)}, {.imported = &imports, .explain = true}));
    EXPECT_EQ(find(here, "RUN make").why,
              "the inline cache app:1, app:2 holds no texts of its steps: export one with "
              "--cache-to type=registry,ref=…,mode=max to be told what changed");
    // What the store knows is more than nothing.
    here.begin_again();
    ASSERT_TRUE(here.solve({chain(here, "debian")}, {.imported = &imports, .explain = true}));
    EXPECT_TRUE(find(here, "RUN make").why.starts_with("its image changed: alpine sha256:"));
}

TEST(Explain, names_the_cache_of_what_was_found_there) {
    FakeBuild there;
    ASSERT_TRUE(there.solve({chain(there)}));
    FakeImports imports;
    imports.take(there.records, "app:cache");
    FakeBuild here;
    ASSERT_TRUE(here.solve({chain(here)}, {.imported = &imports}));
    EXPECT_EQ(explained(here),
              "imported  RUN make (from app:cache)\n"
              "imported  RUN test (from app:cache)\n");
}

TEST(Explain, says_a_reason_once_for_steps_that_share_it) {
    const std::vector<StepExplanation> steps = {{.text = "RUN a", .why = "no"},
                                                {.text = "RUN b", .why = "no"},
                                                {.text = "RUN c", .why = "other"}};
    EXPECT_EQ(explanation_text(steps),
              "ran       RUN a\n          no\n"
              "ran       RUN b\n          as above\n"
              "ran       RUN c\n          other\n");
}

TEST(Explain, shows_no_escape_sequence) {
    const std::vector<StepExplanation> steps = {
        {.text = "RUN \x1b[2J", .cache = "\x1b", .why = "\x1b\n"}};
    EXPECT_EQ(explanation_text(steps).find('\x1b'), std::string::npos);
}

TEST(DryRun, runs_nothing_and_makes_no_record) {
    FakeBuild build;
    ASSERT_TRUE(build.solve({chain(build)}));
    build.runner.take_ran();
    const std::size_t records = build.records.all()->size();
    build.begin_again();
    const graph::StepId base = build.run(build.image("alpine"), "make");
    const graph::StepId missed = build.run(base, "new");
    const graph::StepId above = build.copy(build.run(missed, "above"), build.context(), "main.c");
    ASSERT_TRUE(build.solve({above}, {.dry_run = true}));
    EXPECT_EQ(explained(build),
              "cached    RUN make\n"
              "would run RUN new\n"
              "          the instruction changed: RUN test -> RUN new\n"
              "unknown   RUN above\n"
              "          it depends on what this makes: RUN new\n"
              "unknown   COPY main.c\n"
              "          as above\n");
    EXPECT_TRUE(build.runner.ran.empty());
    EXPECT_EQ(build.copied, 0);
    EXPECT_EQ(build.records.all()->size(), records);
    EXPECT_EQ(build.solver->records(build.plan)->size(), 1U);
}

TEST(DryRun, knows_what_does_not_depend_on_a_step_that_would_run) {
    FakeBuild build;
    const auto end = [&](const std::string& name) {
        const graph::StepId made = build.run(build.image("alpine"), name);
        return build.copy(made, build.context(), "main.c", true);
    };
    ASSERT_TRUE(build.solve({end("one")}));
    build.begin_again();
    const graph::StepId copy = end("two");
    ASSERT_TRUE(build.solve({build.run(copy, "last")}, {.dry_run = true}));
    EXPECT_EQ(find(build, "COPY main.c").outcome, StepOutcome::cached);
    EXPECT_EQ(find(build, "RUN last").why, "it depends on what this makes: RUN two");
    EXPECT_TRUE(build.solver->records(build.plan)->empty());
}

TEST(DryRun, says_which_files_of_a_context_changed) {
    FakeBuild build;
    const auto end = [&] { return build.copy(build.image("alpine"), build.context(), "main.c"); };
    ASSERT_TRUE(build.solve({end()}));
    build.begin_again();
    build.context_content = "nothing";
    ASSERT_TRUE(build.solve({end()}, {.dry_run = true}));
    EXPECT_EQ(find(build, "COPY main.c").outcome, StepOutcome::missed);
    EXPECT_EQ(find(build, "COPY main.c").why, "file changed");
    EXPECT_EQ(build.copied, 1);
}

TEST(DryRun, knows_that_a_step_without_its_layer_would_run_for_one_above_it) {
    FakeBuild there;
    const auto stages = [](FakeBuild& build, const std::string& last) {
        const graph::StepId tools = build.run(build.image("golang"), "tools");
        const graph::StepId copied = build.copy(build.image("alpine"), tools, "tools");
        return build.run(copied, last);
    };
    ASSERT_TRUE(there.solve({stages(there, "make")}));
    FakeImports imports;
    imports.take(there.records, "app:min", "the cache app:min was exported with mode=min");
    FakeBuild here;
    const SolveOptions options{.imported = &imports, .dry_run = true};
    ASSERT_TRUE(here.solve({stages(here, "make")}, options));
    EXPECT_EQ(find(here, "RUN tools").outcome, StepOutcome::imported);
    here.begin_again();
    ASSERT_TRUE(here.solve({stages(here, "test")}, options));
    EXPECT_EQ(find(here, "RUN tools").outcome, StepOutcome::missed);
    EXPECT_EQ(find(here, "COPY tools").why,
              "known, but the cache app:min was exported with mode=min");
    // The copy is whole: what it is made of is not needed.
    imports.give_layer("COPY tools");
    for (const std::string& name : there.store.names()) {
        if (name.starts_with("copy-")) {
            here.store.make(name);
        }
    }
    here.begin_again();
    ASSERT_TRUE(here.solve({stages(here, "test")}, options));
    EXPECT_EQ(find(here, "RUN test").outcome, StepOutcome::missed);
    EXPECT_EQ(find(here, "RUN tools").outcome, StepOutcome::imported);
}

TEST(DryRun, makes_no_layer_again_to_look_into_it) {
    FakeBuild build;
    const auto end = [&](const std::string& name) {
        const graph::StepId made = build.run(build.image("golang"), "make");
        return build.copy(build.image(name), made, "make");
    };
    ASSERT_TRUE(build.solve({end("alpine")}));
    build.runner.take_ran();
    build.store.drop("make(golang;)");
    build.begin_again();
    ASSERT_TRUE(build.solve({end("debian")}, {.dry_run = true}));
    EXPECT_TRUE(build.runner.ran.empty());
    EXPECT_EQ(find(build, "COPY make").outcome, StepOutcome::unknown);
    EXPECT_EQ(find(build, "COPY make").why,
              "what it reads could not be looked at: the layer of RUN make is not here");
}

}  // namespace
}  // namespace lazybuild::solve
