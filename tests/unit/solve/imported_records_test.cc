// SPDX-License-Identifier: Apache-2.0
// What a build makes of the records of a cache. The layers that the cache holds are those that the
// store can find, as after import_layers.
#include "builder/solve/imported_records.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/solve/fake_build.h"

namespace lazybuild::solve {
namespace {

using Names = std::multiset<std::string>;

constexpr const char* kCache = "registry.example/app:cache";

// Three stages, each of which copies from the one before.
graph::StepId stages(FakeBuild& build, const std::string& last = "pack") {
    const graph::StepId tools = build.run(build.image("golang"), "tools");
    const graph::StepId source = build.copy(build.image("debian"), tools, "tools");
    const graph::StepId made = build.run(source, "make");
    return build.run(build.copy(build.image("alpine"), made, "make"), last);
}

// Another machine, which has only what the cache gives.
class Imported : public testing::Test {
  protected:
    void SetUp() override {
        const auto solved = there_.solve({stages(there_)});
        ASSERT_TRUE(solved) << solved.error().message;
        imports_.take(there_.records, kCache);
    }
    /// All but those whose names begin so.
    void upload_layers(const std::string& but) {
        for (const std::string& name : there_.store.names()) {
            if (!name.starts_with(but)) {
                here_.store.make(name);
            }
        }
    }
    /// The name of the layer of the last stage's copy.
    std::string last_copy() {
        for (const std::string& name : there_.store.names()) {
            if (name.starts_with("copy-") && name.ends_with("(alpine;)")) {
                return name;
            }
        }
        return "none";
    }
    Result<std::vector<Solved>> solve(graph::StepId end) {
        return here_.solve({end}, {.imported = &imports_});
    }

    FakeBuild there_, here_;
    FakeImports imports_;
};

TEST_F(Imported, records_are_hits_and_are_not_written_to_the_store) {
    const auto solved = solve(stages(here_));
    ASSERT_TRUE(solved) << solved.error().message;
    EXPECT_TRUE(here_.runner.ran.empty());
    EXPECT_EQ(here_.images_opened, 0);
    EXPECT_EQ(here_.progress.outcomes["RUN pack"], Outcome::cached);
    EXPECT_EQ(here_.progress.reports["RUN pack"].cache, kCache);
    EXPECT_TRUE(here_.records.all()->empty());
    // Who does not name the cache does not believe it.
    here_.begin_again();
    ASSERT_TRUE(here_.solve({stages(here_)}));
    EXPECT_EQ(here_.runner.take_ran(), (Names{"tools", "make", "pack"}));
}

TEST_F(Imported, directory_that_the_base_has_is_a_hit_that_opens_no_base) {
    FakeBuild there;
    ASSERT_TRUE(there.solve({there.run(there.directory(there.image("alpine"), "/usr"), "make")}));
    imports_.take(there.records, kCache);
    const graph::StepId directory = here_.directory(here_.image("alpine"), "/usr");
    ASSERT_TRUE(solve(here_.run(directory, "make")));
    EXPECT_EQ(here_.progress.outcomes["WORKDIR /usr"], Outcome::cached);
    EXPECT_EQ(here_.progress.outcomes["RUN make"], Outcome::cached);
    EXPECT_EQ(here_.images_opened, 0);
}

TEST_F(Imported, records_are_asked_after_the_stores) {
    ASSERT_TRUE(here_.solve({stages(here_)}));
    here_.begin_again();
    ASSERT_TRUE(solve(stages(here_)));
    EXPECT_EQ(imports_.finds, 0);
    EXPECT_EQ(here_.progress.reports["RUN pack"].cache, "");
}

TEST_F(Imported, record_by_names_goes_before_one_by_content_of_the_store) {
    // The store knows the copy by its content only, from another stage.
    const auto copy = [](FakeBuild& build, const std::string& image) {
        return build.copy(build.image("alpine"), build.run(build.image(image), "tools"), "tools");
    };
    FakeBuild there;
    ASSERT_TRUE(there.solve({copy(there, "rust")}));
    imports_.take(there.records, kCache);
    ASSERT_TRUE(here_.solve({copy(here_, "golang")}));
    here_.begin_again();
    here_.selected = 0;
    ASSERT_TRUE(solve(copy(here_, "rust")));
    EXPECT_EQ(here_.selected, 0);
    EXPECT_EQ(here_.progress.reports["COPY tools"].cache, kCache);
}

TEST_F(Imported, record_by_content_is_not_recorded_by_name_either) {
    // Another image, so that only the content of what is copied from it is the same.
    const auto copy = [&](const std::string& image) {
        return here_.copy(here_.image("debian"), here_.run(here_.image(image), "tools"), "tools");
    };
    ASSERT_TRUE(solve(copy("golang:2")));
    EXPECT_EQ(here_.copied, 0);
    EXPECT_EQ(here_.records.all()->size(), 1U);  // of "tools", which has run
    EXPECT_EQ(here_.records.all()->front().text, "RUN tools");
}

TEST_F(Imported, layers_carry_steps_that_are_recorded_as_any) {
    upload_layers("pack");
    ASSERT_TRUE(solve(stages(here_, "ship")));
    EXPECT_EQ(here_.runner.take_ran(), (Names{"ship"}));
    EXPECT_EQ(here_.copied, 0);
    const auto recorded = here_.records.all();
    ASSERT_EQ(recorded->size(), 1U);
    EXPECT_EQ(recorded->front().text, "RUN ship");
}

TEST_F(Imported, record_whose_layer_cannot_be_had_is_a_miss) {
    // Nothing was uploaded: all that the changed step stands on runs, down through three stages.
    const auto solved = solve(stages(here_, "ship"));
    ASSERT_TRUE(solved) << solved.error().message;
    EXPECT_EQ(here_.runner.take_ran(), (Names{"tools", "make", "ship"}));
    EXPECT_EQ(here_.copied, 2);
    EXPECT_EQ(solved->front().layer_ids.size(), 3U);
    // And is the store's own from now on.
    here_.begin_again();
    ASSERT_TRUE(here_.solve({stages(here_, "ship")}));
    EXPECT_TRUE(here_.runner.ran.empty());
}

constexpr const char* kNoLayer = "the cache app:min was exported with mode=min";

TEST_F(Imported, step_whose_cache_has_no_layer_of_it_is_not_shown_as_cached_and_run) {
    imports_.take(there_.records, "app:min", kNoLayer);
    ASSERT_TRUE(solve(stages(here_, "ship")));
    EXPECT_EQ(here_.progress.outcomes["RUN make"], Outcome::done);
    EXPECT_EQ(here_.progress.outcomes["COPY make"], Outcome::done);
    EXPECT_EQ(here_.progress.reports["RUN make"].why_not_cached,
              std::string("known, but ") + kNoLayer);
    EXPECT_EQ(here_.progress.reports["RUN make"].cache, "");
    for (const auto& [text, count] : here_.progress.unended) {
        EXPECT_EQ(count, 0) << text;
    }
    EXPECT_EQ(here_.progress.ended.size(), 8U) << "each step, and its image, once";
}

TEST_F(Imported, step_whose_layer_nobody_needs_is_cached_without_it) {
    imports_.take(there_.records, "app:min", kNoLayer);
    ASSERT_TRUE(solve(stages(here_)));
    EXPECT_TRUE(here_.runner.ran.empty());
    EXPECT_EQ(here_.progress.outcomes["RUN tools"], Outcome::cached);
    EXPECT_EQ(here_.progress.reports["RUN tools"].cache, "app:min");
    for (const auto& [text, count] : here_.progress.unended) {
        EXPECT_EQ(count, 0) << text;
    }
}

TEST_F(Imported, step_below_one_that_is_whole_is_shown_before_it) {
    imports_.take(there_.records, "app:min", kNoLayer);
    imports_.give_layer("COPY make");
    ASSERT_TRUE(solve(stages(here_)));
    const std::vector<std::string>& ended = here_.progress.ended;
    const auto place = [&](const char* text) { return std::ranges::find(ended, text); };
    EXPECT_LT(place("RUN make"), place("COPY make"));
    EXPECT_LT(place("COPY make"), place("RUN pack"));
}

// A RUN that reads another stage; what it makes is not the same everywhere.
graph::StepId reader(FakeBuild& build, const std::string& image) {
    const graph::StepId tools = build.run(build.image(image), "tools");
    return build.run(build.image("alpine"), "read",
                     {{.type = graph::RunMount::Type::bind, .from = tools, .source = "tools"}});
}

/// A cache without layers that does not say which content it means, and a store that knows the
/// reader's content under another name.
class ImportedReader : public Imported {
  protected:
    void SetUp() override {
        Imported::SetUp();
        FakeBuild there;
        ASSERT_TRUE(there.solve({reader(there, "golang")}));
        imports_.take(there.records, "app:min", kNoLayer);
        imports_.forget_contents();
        here_.runner.behaviours["read"] = [&](const RunRequest&) {
            return here_.runner.made("read here");
        };
        ASSERT_TRUE(here_.solve({reader(here_, "rust")}));
        here_.runner.take_ran();
    }
};

TEST_F(Imported, record_without_its_layer_gives_way_to_one_by_content_that_has_one) {
    FakeBuild there;
    ASSERT_TRUE(there.solve({reader(there, "golang")}));
    imports_.take(there.records, "app:min", kNoLayer);
    here_.runner.behaviours["read"] = [&](const RunRequest&) {
        return here_.runner.made("read here");
    };
    ASSERT_TRUE(here_.solve({reader(here_, "rust")}));
    here_.runner.take_ran();
    here_.begin_again();
    const auto solved = solve(here_.run(reader(here_, "golang"), "ship"));
    ASSERT_TRUE(solved) << solved.error().message;
    // Nor is the stage that it reads needed: the cache says which content that has.
    EXPECT_EQ(here_.runner.take_ran(), (Names{"ship"}));
    EXPECT_EQ(solved->front().layer_ids[1], digest_of("read here"));
    EXPECT_EQ(here_.progress.outcomes["RUN read"], Outcome::cached);
}

TEST_F(ImportedReader, content_is_looked_at_when_no_record_says_which_it_is) {
    const std::size_t records = here_.records.all()->size();
    here_.begin_again();
    ASSERT_TRUE(solve(here_.run(reader(here_, "golang"), "ship")));
    EXPECT_EQ(here_.runner.take_ran(), (Names{"tools", "ship"}));
    EXPECT_EQ(here_.records.all()->size(), records + 3);  // what ran, and the reader's new name
}

TEST_F(ImportedReader, claimed_content_gives_no_other_layer_to_a_name) {
    here_.begin_again();
    here_.claims = true;
    ASSERT_TRUE(solve(here_.run(reader(here_, "golang"), "ship")));
    EXPECT_EQ(here_.runner.take_ran(), (Names{"tools", "read", "ship"}));
}

TEST_F(Imported, layer_in_the_middle_that_cannot_be_had_is_made_of_those_that_can) {
    const std::string copied = last_copy();
    upload_layers(copied);
    const auto solved = solve(stages(here_, "ship"));
    ASSERT_TRUE(solved) << solved.error().message;
    EXPECT_EQ(here_.runner.take_ran(), (Names{"ship"}));
    EXPECT_EQ(here_.copied, 1);  // the last stage's, from a stage whose layers are there
}

TEST_F(Imported, layer_whose_reads_fail_is_made_again) {
    upload_layers("pack");
    int failures = 1;
    here_.runner.behaviours["ship"] = [&](const RunRequest& request) -> Result<RunResult> {
        if (failures-- > 0) {
            dynamic_cast<FakeLayer&>(*request.base.layers[1]).fail_read();
            return here_.runner.made("half");  // whatever it says of itself
        }
        return here_.runner.made("ship");
    };
    const auto solved = solve(stages(here_, "ship"));
    ASSERT_TRUE(solved) << solved.error().message;
    EXPECT_EQ(here_.runner.take_ran(), (Names{"ship", "ship"}));
    EXPECT_EQ(solved->front().layer_ids.back(), digest_of("ship"));
    EXPECT_EQ(here_.copied, 1);
}

TEST_F(Imported, step_that_makes_something_else_has_all_above_it_looked_up_anew) {
    here_.runner.behaviours["tools"] = [&](const RunRequest&) {
        return here_.runner.made("tools of today");
    };
    const auto solved = solve(stages(here_, "ship"));
    ASSERT_TRUE(solved) << solved.error().message;
    EXPECT_EQ(here_.runner.take_ran(), (Names{"tools", "make", "ship"}));
}

TEST_F(Imported, records_are_not_asked_for_a_step_that_shall_run) {
    ASSERT_TRUE(here_.solve({stages(here_)}, {.use_cache = false, .imported = &imports_}));
    EXPECT_EQ(imports_.finds, 0);
    EXPECT_EQ(here_.runner.take_ran(), (Names{"tools", "make", "pack"}));
}

}  // namespace
}  // namespace lazybuild::solve
