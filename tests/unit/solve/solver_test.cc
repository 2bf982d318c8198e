// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/solver.h"

#include <gtest/gtest.h>

#include <condition_variable>

#include "codec/tree_digest.h"
#include "tests/unit/solve/fake_build.h"

namespace lazybuild::solve {
namespace {

using Names = std::multiset<std::string>;

// base ← make ← test, as most Dockerfiles are.
graph::StepId chain(FakeBuild& build, const std::string& base = "alpine") {
    return build.run(build.run(build.image(base), "make"), "test");
}

TEST(Solver, runs_each_step_on_what_the_one_before_made) {
    FakeBuild build;
    const graph::StepId end = chain(build);
    const auto solved = build.solve({end});
    ASSERT_TRUE(solved) << solved.error().message;
    EXPECT_EQ(build.runner.ran, (std::vector<std::string>{"make", "test"}));
    const std::vector<codec::Digest> ids = {digest_of("alpine"), digest_of("make(alpine;)"),
                                            digest_of("test(alpine;make(alpine;);)")};
    EXPECT_EQ(solved->front().layer_ids, ids);
    EXPECT_EQ(solved->front().record_keys.size(), 3U);
    EXPECT_EQ(solved->front().record_keys[0], codec::Digest{});
}

TEST(Solver, finds_everything_again_and_opens_nothing) {
    FakeBuild build;
    ASSERT_TRUE(build.solve({chain(build)}));
    build.runner.take_ran();
    build.begin_again();
    build.images_opened = 0;
    build.store.finds = 0;
    const auto solved = build.solve({chain(build)});
    ASSERT_TRUE(solved);
    EXPECT_TRUE(build.runner.ran.empty());
    EXPECT_EQ(build.images_opened, 0);
    EXPECT_EQ(build.store.finds, 0);
    EXPECT_EQ(build.progress.outcomes["RUN test"], Outcome::cached);
}

TEST(Solver, runs_only_what_the_results_need) {
    FakeBuild build;
    const graph::StepId base = build.image("alpine");
    build.run(base, "unused");
    const graph::StepId used = build.run(base, "used");
    ASSERT_TRUE(build.solve({used}));
    EXPECT_EQ(build.runner.ran, std::vector<std::string>{"used"});
}

TEST(Solver, stops_running_where_a_step_makes_what_it_made_before) {
    FakeBuild build;
    build.runner.behaviours["make"] = [&](const RunRequest&) { return build.runner.made("out"); };
    ASSERT_TRUE(build.solve({chain(build, "alpine:1")}));
    build.runner.take_ran();
    // The same again with another definition of the first step.
    build.begin_again();
    const graph::StepId base = build.image("alpine:1");
    const graph::StepId make = build.run(base, "make");
    build.plan.steps[make].text = "RUN make # comment";
    ASSERT_TRUE(build.solve({build.run(make, "test")}));
    EXPECT_EQ(build.runner.ran, std::vector<std::string>{"make"});
    EXPECT_EQ(build.progress.outcomes["RUN test"], Outcome::cached);
}

// The id of a layer with two empty files.
std::string tree_id(std::int64_t mtime_s, bool linked) {
    codec::FileTreeBuilder builder;
    EXPECT_TRUE(builder.add({.path = "a", .mode = 0644, .mtime_s = mtime_s}));
    EXPECT_TRUE(builder.add(linked ? codec::LayerEntry{.kind = codec::LayerEntry::Kind::hardlink,
                                                       .path = "b",
                                                       .link_target = "a"}
                                   : codec::LayerEntry{.path = "b", .mode = 0644}));
    const auto tree = std::move(builder).finish();
    return codec::tree_digest(*tree)->text();
}

// What a layer keeps and no key of a file holds makes a difference to those who see the layer.
TEST(Solver, does_not_stop_where_only_a_time_or_a_link_differs) {
    struct Case {
        std::string first, second;
        bool stops;
    };
    for (const Case& one : {Case{tree_id(1, false), tree_id(1, false), true},
                            Case{tree_id(1, false), tree_id(2, false), false},
                            Case{tree_id(0, true), tree_id(0, false), false}}) {
        FakeBuild build;
        std::string made = one.first;
        build.runner.behaviours["make"] = [&](const RunRequest&) {
            return build.runner.made(made);
        };
        ASSERT_TRUE(build.solve({chain(build)}));
        build.runner.take_ran();
        made = one.second;
        build.begin_again();
        const graph::StepId make = build.run(build.image("alpine"), "make");
        build.plan.steps[make].ignore_cache = true;
        ASSERT_TRUE(build.solve({build.run(make, "test")}));
        EXPECT_EQ(build.runner.take_ran(), one.stops ? (Names{"make"}) : (Names{"make", "test"}));
    }
}

TEST(Solver, gives_a_step_that_changed_nothing_an_empty_layer) {
    FakeBuild build;
    build.runner.behaviours["true"] = [](const RunRequest&) { return RunResult{}; };
    const graph::StepId base = build.image("alpine");
    const auto solved = build.solve({build.run(base, "true")});
    ASSERT_TRUE(solved);
    EXPECT_EQ(solved->front().layer_ids, (std::vector{digest_of("alpine"), digest_of("")}));
    build.begin_again();
    ASSERT_TRUE(build.solve({build.run(build.image("alpine"), "true")}));
    EXPECT_EQ(build.runner.ran.size(), 1U);
}

TEST(Solver, keys_a_linked_copy_by_its_destination_when_that_knows_the_owner) {
    FakeBuild build;
    const auto end = [&](const std::string& image) {
        const graph::StepId copy = build.copy(build.image(image), build.context(), "main.c", true);
        std::get<graph::CopyStep>(build.plan.steps[copy].what).owner = "www-data";
        return copy;
    };
    ASSERT_TRUE(build.solve({end("alpine")}));
    build.begin_again();
    ASSERT_TRUE(build.solve({end("debian")}));
    EXPECT_EQ(build.copied, 2);
}

TEST(Solver, keys_a_copy_from_the_context_by_what_it_selects) {
    FakeBuild build;
    const auto end = [&] { return build.copy(build.image("alpine"), build.context(), "main.c"); };
    build.context_content = "main.c old.txt";
    ASSERT_TRUE(build.solve({end()}));
    build.begin_again();
    build.context_content = "new.txt main.c";
    ASSERT_TRUE(build.solve({end()}));
    EXPECT_EQ(build.copied, 1);
    build.begin_again();
    build.context_content = "nothing";
    ASSERT_TRUE(build.solve({end()}));
    EXPECT_EQ(build.copied, 2);
    EXPECT_NE(build.progress.reports["COPY main.c"].why_not_cached.find("file changed"),
              std::string::npos)
        << build.progress.reports["COPY main.c"].why_not_cached;
}

TEST(Solver, looks_at_no_file_of_a_stage_that_is_the_same) {
    FakeBuild build;
    const auto end = [&] {
        const graph::StepId stage = build.run(build.image("golang"), "make");
        return build.copy(build.image("alpine"), stage, "make");
    };
    ASSERT_TRUE(build.solve({end()}));
    EXPECT_EQ(build.copied, 1);
    build.begin_again();
    build.selected = 0;
    ASSERT_TRUE(build.solve({end()}));
    EXPECT_EQ(build.selected, 0);
    EXPECT_EQ(build.copied, 1);
}

TEST(Solver, copies_nothing_when_another_stage_holds_the_same_files) {
    FakeBuild build;
    const auto end = [&](const std::string& image) {
        const graph::StepId stage = build.run(build.image(image), "make");
        return build.copy(build.image("alpine"), stage, "make");
    };
    ASSERT_TRUE(build.solve({end("golang:1")}));
    build.begin_again();
    ASSERT_TRUE(build.solve({end("golang:2")}));
    EXPECT_EQ(build.copied, 1);
    EXPECT_EQ(build.progress.outcomes["COPY make"], Outcome::cached);
    // And knows it by its name from now on.
    build.begin_again();
    build.selected = 0;
    ASSERT_TRUE(build.solve({end("golang:2")}));
    EXPECT_EQ(build.selected, 0);
}

TEST(Solver, makes_no_record_of_a_claim_that_nobody_has_verified) {
    FakeBuild build;
    const auto end = [&](const std::string& image) {
        return build.copy(build.image("alpine"), build.image(image), "lang");
    };
    ASSERT_TRUE(build.solve({end("golang:1")}));
    build.claims = true;
    const auto records = build.records.all()->size();
    build.begin_again();
    ASSERT_TRUE(build.solve({end("golang:2")}));
    EXPECT_EQ(build.copied, 1);  // a claim may look up
    EXPECT_EQ(build.records.all()->size(), records);
}

TEST(Solver, records_nothing_of_a_copy_whose_claims_were_wrong) {
    FakeBuild build;
    build.claims = true;
    build.copy_error = corrupt("usr/lib/x: not what its index says");
    const graph::StepId copy = build.copy(build.image("alpine"), build.image("golang"), "lang");
    const auto solved = build.solve({copy});
    ASSERT_FALSE(solved);
    EXPECT_EQ(solved.error().code, std::errc::bad_message);
    EXPECT_TRUE(build.records.all()->empty());
    EXPECT_TRUE(build.solver->records(build.plan)->empty());
}

// Nobody knows what a command has read of a mount, so that nothing has verified the claims.
TEST(Solver, records_a_run_on_claims_by_the_names_of_its_mounts_only) {
    FakeBuild build;
    build.claims = true;
    const graph::RunMount mount{.target = "/m", .from = build.image("golang"), .source = "lang"};
    const graph::StepId run = build.run(build.image("alpine"), "make", {mount});
    ASSERT_TRUE(build.solve({run}));
    const auto recorded = build.records.all();
    ASSERT_EQ(recorded->size(), 1U);
    EXPECT_NE(recorded->front().definition.find("\nsource 0 "), std::string::npos);
    EXPECT_EQ(recorded->front().definition.find("\nfiles "), std::string::npos);
    EXPECT_FALSE(recorded->front().content_key);
    EXPECT_EQ(build.solver->records(build.plan)->front().keys.size(), 1U);
}

TEST(Solver, keys_a_run_by_the_content_of_its_mounts) {
    FakeBuild build;
    const auto end = [&] {
        graph::RunMount mount{.target = "/src", .from = build.context(), .source = "main.c"};
        return build.run(build.image("alpine"), "make", {mount});
    };
    build.context_content = "main.c a";
    ASSERT_TRUE(build.solve({end()}));
    build.begin_again();
    build.context_content = "main.c b";
    ASSERT_TRUE(build.solve({end()}));
    EXPECT_EQ(build.runner.take_ran(), (Names{"make"}));
    build.begin_again();
    build.context_content = "main";
    ASSERT_TRUE(build.solve({end()}));
    EXPECT_EQ(build.runner.take_ran(), (Names{"make"}));
}

TEST(Solver, does_not_open_the_destination_of_a_linked_copy) {
    FakeBuild build;
    const graph::StepId base = build.image("alpine");
    ASSERT_TRUE(build.solve({build.copy(base, build.context(), "main.c", true)}));
    EXPECT_EQ(build.images_opened, 0);
    // Nor does it miss on another one.
    build.begin_again();
    ASSERT_TRUE(build.solve({build.copy(build.image("debian"), build.context(), "main.c", true)}));
    EXPECT_EQ(build.copied, 1);
}

TEST(Solver, runs_a_step_again_whose_layer_is_gone_when_it_is_needed) {
    FakeBuild build;
    ASSERT_TRUE(build.solve({chain(build)}));
    build.runner.take_ran();
    build.store.drop("make(alpine;)");
    build.begin_again();
    const graph::StepId test = chain(build);
    const auto solved = build.solve({test, build.run(test, "more")});
    ASSERT_TRUE(solved) << solved.error().message;
    // Nothing needed it until `more` ran; `test` has made the same, and was not run.
    EXPECT_EQ(build.runner.take_ran(), (Names{"make", "more"}));
}

TEST(Solver, runs_what_is_above_again_when_a_lost_step_makes_something_else) {
    FakeBuild build;
    ASSERT_TRUE(build.solve({chain(build)}));
    build.runner.take_ran();
    build.store.drop("make(alpine;)");
    build.runner.behaviours["make"] = [&](const RunRequest&) { return build.runner.made("other"); };
    build.begin_again();
    const graph::StepId test = chain(build);
    const auto solved = build.solve({build.run(test, "more")});
    ASSERT_TRUE(solved) << solved.error().message;
    EXPECT_EQ(build.runner.take_ran(), (Names{"make", "test", "more"}));
    EXPECT_EQ(solved->front().layer_ids[1], digest_of("other"));
}

TEST(Solver, opens_the_layers_of_a_result) {
    FakeBuild build;
    const graph::StepId end = chain(build);
    ASSERT_TRUE(build.solve({end}));
    const auto snapshot = build.solver->open(build.plan, end);
    ASSERT_TRUE(snapshot);
    EXPECT_EQ(names_of(*snapshot), "alpine;make(alpine;);test(alpine;make(alpine;););");
}

TEST(Solver, says_so_when_a_result_that_is_opened_has_become_another) {
    FakeBuild build;
    ASSERT_TRUE(build.solve({chain(build)}));
    build.begin_again();
    const graph::StepId end = chain(build);
    ASSERT_TRUE(build.solve({end}));
    build.store.drop("make(alpine;)");
    build.runner.behaviours["make"] = [&](const RunRequest&) { return build.runner.made("other"); };
    const auto snapshot = build.solver->open(build.plan, end);
    ASSERT_FALSE(snapshot);
    EXPECT_EQ(snapshot.error().code, std::errc::resource_unavailable_try_again);
    // What it has become can be had.
    const auto again = build.solver->open(build.plan, end);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(names_of(*again), "alpine;other;test(alpine;other;);");
}

TEST(Solver, drops_what_a_step_made_of_files_that_it_could_not_read) {
    FakeBuild build;
    build.runner.behaviours["test"] = [&](const RunRequest& request) {
        dynamic_cast<FakeLayer&>(*request.base.layers.front()).fail_read();
        return build.runner.made("half");
    };
    const auto solved = build.solve({chain(build)});
    ASSERT_FALSE(solved);
    EXPECT_EQ(solved.error().code, std::errc::io_error);
    EXPECT_EQ(build.records.all()->size(), 1U);  // of make
}

TEST(Solver, makes_a_layer_again_that_cannot_be_read) {
    FakeBuild build;
    ASSERT_TRUE(build.solve({chain(build)}));
    build.runner.take_ran();
    build.begin_again();
    int failures = 1;
    build.runner.behaviours["more"] = [&](const RunRequest& request) -> Result<RunResult> {
        if (failures-- > 0) {
            dynamic_cast<FakeLayer&>(*request.base.layers[1]).fail_read();
            return fail(Error{std::errc::io_error, "I/O error"});
        }
        return build.runner.made("more");
    };
    const auto solved = build.solve({build.run(chain(build), "more")});
    ASSERT_TRUE(solved) << solved.error().message;
    EXPECT_EQ(build.runner.take_ran(), (Names{"more", "make", "more"}));
}

TEST(Solver, runs_independent_stages_at_the_same_time) {
    FakeBuild build;
    std::mutex mutex;
    std::condition_variable both;
    int inside = 0;
    const auto meet = [&](const RunRequest& request) {
        std::unique_lock lock(mutex);
        ++inside;
        both.notify_all();
        both.wait(lock, [&] { return inside == 2; });  // for ever, were they one after the other
        return build.runner.made(request.step.arguments.front());
    };
    build.runner.behaviours["one"] = build.runner.behaviours["two"] = meet;
    const graph::StepId base = build.image("alpine");
    ASSERT_TRUE(build.solve({build.run(base, "one"), build.run(base, "two")}));
}

TEST(Solver, runs_no_more_steps_at_once_than_it_may) {
    FakeBuild build;
    std::atomic<int> inside = 0;
    std::atomic<int> most = 0;
    const graph::StepId base = build.image("alpine");
    std::vector<graph::StepId> results;
    for (int i = 0; i < 8; ++i) {
        const std::string name = fmt::format("step{}", i);
        build.runner.behaviours[name] = [&, name](const RunRequest&) {
            most = std::max<int>(most, ++inside);
            std::this_thread::yield();
            --inside;
            return build.runner.made(name);
        };
        results.push_back(build.run(base, name));
    }
    ASSERT_TRUE(build.solve(results, {.jobs = 2}));
    EXPECT_LE(most, 2);
    EXPECT_EQ(build.runner.ran.size(), 8U);
}

TEST(Solver, runs_steps_that_are_the_same_once) {
    FakeBuild build;
    const graph::StepId base = build.image("alpine");
    std::vector<graph::StepId> results;
    for (int i = 0; i < 6; ++i) {
        results.push_back(build.run(base, "same"));
    }
    const auto solved = build.solve(results);
    ASSERT_TRUE(solved);
    EXPECT_EQ(build.runner.ran.size(), 1U);
    for (const Solved& one : *solved) {
        EXPECT_EQ(one.layer_ids, solved->front().layer_ids);
    }
}

TEST(Solver, ends_the_others_when_one_fails_and_tells_which) {
    FakeBuild build;
    std::atomic<bool> slow_runs = false;
    build.runner.behaviours["slow"] = [&](const RunRequest& request) -> Result<RunResult> {
        slow_runs = true;
        slow_runs.notify_all();
        while (!request.cancel.cancelled()) {
            std::this_thread::yield();
        }
        return fail(Error{std::errc::operation_canceled, "cancelled"});
    };
    build.runner.behaviours["false"] = [&](const RunRequest&) -> Result<RunResult> {
        slow_runs.wait(false);
        return fail(Error{std::errc::protocol_error, "exit code: 1"});
    };
    const graph::StepId base = build.image("alpine");
    const auto solved = build.solve({build.run(base, "slow"), build.run(base, "false")});
    ASSERT_FALSE(solved);
    EXPECT_EQ(solved.error().message, "RUN false: exit code: 1\nDockerfile:7");
    EXPECT_EQ(build.progress.outcomes["RUN slow"], Outcome::cancelled);
    EXPECT_EQ(build.progress.outcomes["RUN false"], Outcome::failed);
}

TEST(Solver, ends_when_nobody_wants_the_result) {
    FakeBuild build;
    io::CancelSource user;
    build.runner.behaviours["make"] = [&](const RunRequest& request) -> Result<RunResult> {
        user.cancel();
        while (!request.cancel.cancelled()) {
            std::this_thread::yield();
        }
        return fail(Error{std::errc::operation_canceled, "cancelled"});
    };
    const auto solved = build.solve({chain(build)}, {}, user.token());
    ASSERT_FALSE(solved);
    EXPECT_EQ(solved.error().code, std::errc::operation_canceled);
    EXPECT_EQ(build.runner.take_ran(), (Names{"make"}));
    EXPECT_TRUE(build.records.all()->empty());
}

TEST(Solver, asks_no_record_for_a_step_that_shall_run) {
    FakeBuild build;
    ASSERT_TRUE(build.solve({chain(build)}));
    build.runner.take_ran();
    build.begin_again();
    const graph::StepId end = chain(build);
    build.plan.steps[end].ignore_cache = true;
    ASSERT_TRUE(build.solve({end}));
    EXPECT_EQ(build.runner.take_ran(), (Names{"test"}));
    build.begin_again();
    ASSERT_TRUE(build.solve({chain(build)}, {.use_cache = false}));
    EXPECT_EQ(build.runner.take_ran(), (Names{"make", "test"}));
}

TEST(Solver, tells_what_was_fetched_and_from_where) {
    FakeBuild build;
    build.runner.behaviours["make"] = [&](const RunRequest& request) {
        dynamic_cast<FakeLayer&>(*request.base.layers.front()).fetch(40);
        return build.runner.made("out");
    };
    ASSERT_TRUE(build.solve({chain(build)}));
    const StepReport& report = build.progress.reports["RUN make"];
    EXPECT_EQ(report.fetched_bytes, 40U);
    ASSERT_EQ(report.fetched_from.size(), 1U);
    EXPECT_EQ(report.fetched_from.front().first, digest_of("alpine").text());
}

}  // namespace
}  // namespace lazybuild::solve
