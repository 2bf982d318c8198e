// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/why.h"

#include <gtest/gtest.h>

namespace lazybuild::solve {
namespace {

TEST(WhyNotCached, knows_when_there_was_nothing_like_it) {
    EXPECT_EQ(why_not_cached("RUN x\n", {}, {}), "no step like this was built before");
}

TEST(WhyNotCached, tells_an_input_from_a_definition) {
    const std::vector<Record> before = {{.definition = "RUN x\nenv A=1\nbase one\n"}};
    EXPECT_EQ(why_not_cached("RUN x\nenv A=1\nbase two\n", {}, before),
              "a step before it made something else");
    EXPECT_EQ(why_not_cached("RUN x\nenv A=2\nbase one\n", {}, before),
              "it says “env A=2” now; it said “env A=1” before");
}

TEST(WhyNotCached, names_the_files_that_changed) {
    const std::vector<Record> before = {
        {.definition = "COPY\nfiles 1\n", .files = {"a.c 1", "b c.c 2", "gone 3"}}};
    EXPECT_EQ(why_not_cached("COPY\nfiles 2\n", {"a.c 9", "b c.c 2", "new 4"}, before),
              "a.c changed; new is new; gone is gone");
}

TEST(WhyNotCached, compares_with_the_record_that_is_most_alike) {
    const std::vector<Record> before = {{.definition = "RUN x\nenv A=3\nenv B=3\nbase 3\n"},
                                        {.definition = "RUN x\nenv A=1\nenv B=1\nbase 1\n"}};
    EXPECT_EQ(why_not_cached("RUN x\nenv A=1\nenv B=1\nbase 2\n", {}, before),
              "a step before it made something else");
}

}  // namespace
}  // namespace lazybuild::solve
