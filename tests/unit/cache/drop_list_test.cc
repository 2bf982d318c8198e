// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/drop_list.h"

#include <gtest/gtest.h>

namespace lazybuild::cache {
namespace {

using Fate = DropList::Fate;

TEST(DropList, says_a_reason_once_for_all_that_share_it) {
    DropList list;
    for (const char* const text : {"RUN a", "RUN b", "RUN c", "RUN d", "RUN e"}) {
        list.add(text, Fate::without_layers, "the base is gone");
    }
    list.add("COPY x", Fate::left_out, "nothing proves its key");
    list.add("COPY y", Fate::without_layers, "it is damaged");
    EXPECT_EQ(list.count(), 7U);
    EXPECT_EQ(list.sentences(),
              (std::vector<std::string>{
                  "\"RUN a\", \"RUN b\", \"RUN c\" and 2 more are without their layers: the base "
                  "is gone",
                  "\"COPY x\" is left out: nothing proves its key",
                  "\"COPY y\" is without its layers: it is damaged"}));
}

TEST(DropList, refuses_with_the_first_reason) {
    DropList list;
    list.add("RUN a", Fate::left_out, "no");
    const Error error = list.refusal(3);
    EXPECT_EQ(error.code, std::errc::bad_message);
    EXPECT_EQ(error.message,
              "1 of 3 records had to be dropped, and strict=true: \"RUN a\" is left out: no");
}

TEST(DropList, is_empty_when_nothing_is_missing) {
    EXPECT_EQ(DropList{}.count(), 0U);
    EXPECT_TRUE(DropList{}.sentences().empty());
}

}  // namespace
}  // namespace lazybuild::cache
