// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/why.h"

#include <gtest/gtest.h>

#include "builder/solve/key.h"

namespace lazybuild::solve {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

std::string key_text(const std::string& definition, const Lines& inputs) {
    KeyText text(definition);
    for (const auto& [name, value] : inputs) {
        text.add(name, value);
    }
    return text.text();
}

Missed missed(const std::string& definition, const Lines& inputs) {
    return {.text = "RUN x", .definition = key_text(definition, inputs)};
}

ImportedRecord known(const std::string& definition, const Lines& inputs) {
    return {.record = {.definition = key_text(definition, inputs), .text = "RUN x"}};
}

std::string why(const Missed& missed, const std::vector<ImportedRecord>& same_text,
                const std::vector<ImportedRecord>& same_place = {}) {
    return why_not_cached(missed, same_text, same_place).text;
}

TEST(WhyNotCached, knows_when_there_was_nothing_like_it) {
    Missed now = missed("step=run\n", {});
    EXPECT_EQ(why(now, {}), "no step like this is known");
    now.silent_caches = {"app:\x1b[2J"};
    EXPECT_TRUE(why(now, {}).starts_with("the inline cache app:"));
    EXPECT_EQ(why(now, {}).find('\x1b'), std::string::npos);
    EXPECT_EQ(why(now, {known("step=copy\n", {})}), "step changed: “copy” -> “run”");
}

TEST(WhyNotCached, names_a_variable_and_both_its_values) {
    EXPECT_EQ(why(missed("env V=1.1\nenv NEW=x\n", {}), {known("env V=1.0\nenv OLD=y\n", {})}),
              "NEW is “x” now, and was not given before; OLD was “y” before, and is not given now; "
              "V changed: “1.0” -> “1.1”");
}

TEST(WhyNotCached, tells_no_value_of_a_secret_wherever_it_stands) {
    const std::string text = why(missed("env API_TOKEN=hunter2\ndirectory=/hunter2/a\n", {}),
                                 {known("env API_TOKEN=geheim\ndirectory=/geheim/a\n", {})});
    EXPECT_EQ(text, "directory changed: “/***/a” -> “/***/a”; API_TOKEN changed");
}

TEST(WhyNotCached, names_the_image_that_changed_and_both_digests) {
    Missed now = missed("step=run\n", {{"base", "2"}});
    now.input_names = {"base image docker.io/library/alpine:3 sha256:new"};
    ImportedRecord before = known("step=run\n", {{"base", "1"}});
    before.record.input_names = {"base image docker.io/library/alpine:3 sha256:old"};
    EXPECT_EQ(why(now, {before}),
              "the image docker.io/library/alpine:3 changed: sha256:old -> sha256:new");
    before.record.input_names = {"base image alpine:2 sha256:old"};
    EXPECT_EQ(why(now, {before}),
              "its image changed: alpine:2 sha256:old -> docker.io/library/alpine:3 sha256:new");
    before.record.input_names = {"base step RUN y"};
    EXPECT_EQ(why(now, {before}), "it stands on the image docker.io/library/alpine:3 now");
}

TEST(WhyNotCached, blames_the_step_that_made_its_input) {
    Missed now = missed("step=run\n", {{"base", "2"}, {"source 0", "2"}});
    now.input_names = {"base step RUN y", "source 0 step RUN z"};
    now.blame = {{"base", "RUN below y"}, {"source 0", "RUN z"}};
    const Why both =
        why_not_cached(now, {known("step=run\n", {{"base", "1"}, {"source 0", "1"}})}, {});
    EXPECT_EQ(both.text,
              "a step before it made something else: RUN below y; "
              "a step that it reads from made something else: RUN z");
    EXPECT_EQ(both.from_below, "base");
    const Why one =
        why_not_cached(now, {known("step=run\n", {{"base", "2"}, {"source 0", "1"}})}, {});
    EXPECT_EQ(one.from_below, "source 0");
    const Why own =
        why_not_cached(now, {known("step=other\n", {{"base", "1"}, {"source 0", "2"}})}, {});
    EXPECT_EQ(own.from_below, "");
}

TEST(WhyNotCached, names_what_a_repository_was_and_is) {
    Missed now = missed("step=copy\n", {{"source 0", "c2"}});
    now.input_names = {"source 0 git https://example.org/x.git#main"};
    EXPECT_EQ(why(now, {known("step=copy\n", {{"source 0", "c1"}})}),
              "https://example.org/x.git#main changed: c1 -> c2");
}

TEST(WhyNotCached, names_the_files_that_changed) {
    Missed now = missed("step=copy\n", {{"files", "2"}});
    now.files = {"a.c -644 0:0 9", "b c.c -644 0:0 2", "new -644 0:0 4"};
    ImportedRecord before = known("step=copy\n", {{"files", "1"}});
    before.record.files = {"a.c -644 0:0 1", "b c.c -644 0:0 2", "gone -644 0:0 3"};
    const Why why = why_not_cached(now, {before}, {});
    EXPECT_EQ(why.text, "a.c changed; new is new; gone is gone");
    EXPECT_EQ(why.from_below, "");
}

TEST(WhyNotCached, takes_no_pattern_of_a_copy_for_what_it_reads) {
    EXPECT_EQ(
        why(missed("source 0 0=b\n", {{"base", "1"}}), {known("source 0 0=a\n", {{"base", "1"}})}),
        "source 0 0 changed: “a” -> “b”");
}

TEST(WhyNotCached, compares_with_the_record_that_is_most_alike) {
    Missed now = missed("env A=1\nenv B=1\n", {{"base", "2"}});
    EXPECT_EQ(why(now, {known("env A=3\nenv B=3\n", {{"base", "2"}}),
                        known("env A=1\nenv B=1\n", {{"base", "1"}})}),
              "a step before it made something else");
}

TEST(WhyNotCached, says_which_instruction_became_this_one) {
    const Missed now = {.text = "RUN make -j2",
                        .definition = key_text("arg 2=make -j2\n", {{"base", "1"}}),
                        .other_texts = {"RUN other"}};
    ImportedRecord before = known("arg 2=make\n", {{"base", "1"}});
    before.record.text = "RUN make";
    ImportedRecord other = known("arg 2=make -j2\n", {{"base", "1"}});
    other.record.text = "RUN other";
    EXPECT_EQ(why(now, {}, {other, before}), "the instruction changed: RUN make -> RUN make -j2");
    EXPECT_EQ(why(now, {}, {other}), "no step like this is known");
}

TEST(WhyNotCached, says_which_cache_it_was_compared_with) {
    ImportedRecord before = known("env A=1\n", {});
    before.cache = "app:cache";
    EXPECT_EQ(why(missed("env A=2\n", {}), {before}),
              "A changed: “1” -> “2” (compared with the cache app:cache)");
}

TEST(WhyNotCached, lets_no_record_of_others_steer_the_terminal) {
    ImportedRecord before = known("env A=\x1b[2J\n", {});
    EXPECT_EQ(why(missed("env A=2\n", {}), {before}).find('\x1b'), std::string::npos);
    before.record.definition = "lazybuild key 1 99999999999999999999\nenv A=1";
    EXPECT_FALSE(why(missed("env A=2\n", {}), {before}).empty());
    before.record.definition = "";
    EXPECT_FALSE(why(missed("env A=2\n", {}), {before}).empty());
}

}  // namespace
}  // namespace lazybuild::solve
