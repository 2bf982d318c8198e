// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/words.h"

#include <gtest/gtest.h>

#include "builder/dockerfile/text.h"

namespace lazybuild::dockerfile {
namespace {

using List = std::vector<std::string>;

TEST(Words, are_split_where_nothing_quotes) {
    EXPECT_EQ(split_quoted("  a \t b  ", '\\'), (List{"a", "b"}));
    EXPECT_EQ(split_quoted("'a b' \"c d\"e", '\\'), (List{"'a b'", "\"c d\"e"}));
    EXPECT_EQ(split_quoted("a\\ b c", '\\'), (List{"a\\ b", "c"}));
    EXPECT_EQ(split_quoted("a` b c\\ d", '`'), (List{"a` b", "c\\", "d"}));
    EXPECT_EQ(split_quoted("'' \"\"", '\\'), (List{"''", "\"\""}));
    EXPECT_EQ(split_quoted("", '\\'), List{});
    EXPECT_EQ(split_quoted("\\", '\\'), List{});
}

TEST(Words, of_json_are_strings) {
    EXPECT_TRUE(parse_json_words("[\"a\"]")->is_json);
    EXPECT_FALSE(parse_json_words("a")->is_json);
    EXPECT_FALSE(parse_json_words("[\"a\"")->is_json);
    EXPECT_FALSE(parse_json_words("[\"a\"] [\"b\"]")->is_json);
    for (const char* text : {"[1]", "[\"a\", [\"b\"]]", "[null]", "[{}]"}) {
        EXPECT_FALSE(parse_json_words(text)) << text;
    }
}

TEST(Words, of_time_are_durations) {
    using std::chrono::nanoseconds;
    const struct {
        std::string_view text;
        std::int64_t expected;
    } cases[]{{"0", 0},
              {"5s", 5'000'000'000},
              {"1m30s", 90'000'000'000},
              {"1.5h", 5'400'000'000'000},
              {"100ms", 100'000'000},
              {"3us", 3000},
              {"3\xC2\xB5s", 3000},
              {"3\xCE\xBCs", 3000},
              {"7ns", 7},
              {"+1s", 1'000'000'000},
              {"-1s", -1'000'000'000},
              {".5s", 500'000'000},
              {"1.s", 1'000'000'000}};
    for (const auto& one : cases) {
        const auto duration = parse_duration(one.text);
        ASSERT_TRUE(duration) << one.text;
        EXPECT_EQ(duration->count(), one.expected) << one.text;
    }
    for (const char* text : {"", "x", "1", "1x", "s", ".s", "-", "1s2", "99999999999h", "1e3s"}) {
        EXPECT_FALSE(parse_duration(text)) << text;
    }
}

TEST(Words, are_quoted_for_messages) {
    EXPECT_EQ(quoted("a b"), "\"a b\"");
    EXPECT_EQ(quoted("\"\\\n\t\x01\x7F"), "\"\\\"\\\\\\n\\t\\x01\\x7f\"");
    EXPECT_EQ(quoted("\xC3\xA4\xFF"), "\"\xC3\xA4\\xff\"");
}

TEST(Words, have_neighbours) {
    EXPECT_EQ(did_you_mean("fron", {"from", "chown"}), " (did you mean from?)");
    EXPECT_EQ(did_you_mean("xyz", {"from", "chown"}), "");
    EXPECT_EQ(did_you_mean("from", {"from", "frm"}), "") << "the name was not what was wrong";
    EXPECT_EQ(did_you_mean("RNU", {"run", "env"}, true), " (did you mean RUN?)");
    EXPECT_EQ(did_you_mean("rnu", {"RUN", "ENV"}, true), " (did you mean run?)");
    EXPECT_EQ(nearest_option(std::string(10'000, 'x'), {std::string(10'000, 'y')}), "");
}

}  // namespace
}  // namespace lazybuild::dockerfile
