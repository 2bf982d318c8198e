// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/path_match.h"

#include <gtest/gtest.h>

namespace lazybuild::dockerfile {
namespace {

struct Case {
    std::string_view pattern;
    std::string_view path;
    bool matches;
};

void expect(std::initializer_list<Case> cases, Stars stars) {
    for (const Case& one : cases) {
        const auto pattern = PathPattern::parse(one.pattern, stars);
        ASSERT_TRUE(pattern) << one.pattern;
        EXPECT_EQ(pattern->matches(one.path), one.matches) << one.pattern << " on " << one.path;
    }
}

TEST(PathMatch, has_wildcards_within_components) {
    expect({{"abc", "abc", true},
            {"abc", "abcd", false},
            {"abc", "ab", false},
            {"", "", true},
            {"", "a", false},
            {"*", "abc", true},
            {"*", "", true},
            {"*", "a/b", false},
            {"*c", "abc", true},
            {"a*", "a", true},
            {"a*", "abc", true},
            {"a*", "ab/c", false},
            {"a*/b", "abc/b", true},
            {"a*/b", "a/c/b", false},
            {"a*b*c*d*e*", "axbxcxdxe", true},
            {"a*b*c*d*e*/f", "axbxcxdxexxx/f", true},
            {"a*b*c*d*e*/f", "axbxcxdxexxx/fff", false},
            {"a*b?c*x", "abxbbxdbxebxczzx", true},
            {"a*b?c*x", "abxbbxdbxebxczzy", false},
            {"**", "abc", true},
            {"**", "a/b", false},
            {"**/b", "a/b", true},
            {"**/b", "a/c/b", false},
            {"a?c", "abc", true},
            {"a?c", "a/c", false},
            {"a?c", "ac", false},
            {"a?b",
             "a\xE2\x98\xBA"
             "b",
             true},
            {"ab[c]", "abc", true},
            {"ab[b-d]", "abc", true},
            {"ab[e-g]", "abc", false},
            {"ab[^c]", "abc", false},
            {"ab[^b-d]", "abc", false},
            {"ab[^e-g]", "abc", true},
            {"a[^a]b",
             "a\xE2\x98\xBA"
             "b",
             true},
            {"[a-\xCE\xB6]*", "\xCE\xB1", true},
            {"[!a]", "!", true},
            {"[!a]", "b", false},
            {"[\\]a]", "]", true},
            {"[\\-]", "-", true},
            {"[x\\-]", "x", true},
            {"[x\\-]", "z", false},
            {"a\\*b", "a*b", true},
            {"a\\*b", "axb", false},
            {"a\\\\b", "a\\b", true},
            {"*.txt", "x.txt", true},
            {"*.txt", ".txt", true},
            {"a]b", "a]b", true},
            {"\xFF?", "\xFF\xFE", true}},
           Stars::component);
}

TEST(PathMatch, has_wildcards_across_components) {
    expect({{"**", "a", true},
            {"**", "a/b/c", true},
            {"**/b", "b", true},
            {"**/b", "a/b", true},
            {"**/b", "a/c/b", true},
            {"**/b", "ab", false},
            {"**/b", "a/b/c", false},
            {"**/*.go", "x.go", true},
            {"**/*.go", "a/b/x.go", true},
            {"**/*.go", "a/b/x.goo", false},
            {"a/**", "a", false},
            {"a/**", "a/b", true},
            {"a/**", "a/b/c", true},
            {"a/**", "ab/c", false},
            {"a/**/b", "a/b", true},
            {"a/**/b", "a/x/b", true},
            {"a/**/b", "a/x/y/b", true},
            {"a/**/b", "a/xb", false},
            {"a**", "ab/c", true},
            {"a**", "a", true},
            {"**b", "xb", true},
            {"**b", "x/yb", true},
            {"**b*", "xb", false},
            {"**b*", "x/b1", true},
            {"a**/b", "a/x/b", true},
            {"*/**/c", "a/c", true},
            {"*/**/c", "c", false},
            {"**/a/**", "x/a/y", true},
            {"**/a/**", "a/y", true},
            {"**/a/**", "x/a", false},
            {"**/a/b/**/c", "q/a/b/r/s/c", true},
            {"dir/**/*/x", "dir/a/x", true},
            {"dir/**/*/x", "dir/x", false},
            {"a.b", "axb", false},
            {"a+(b)", "a+(b)", true},
            {"a\\**b", "a*cb", true}},
           Stars::tree);
}

TEST(PathMatch, knows_parents_and_what_could_lie_below) {
    const auto parse = [](std::string_view text) {
        return PathPattern::parse(text, Stars::tree).value();
    };
    EXPECT_TRUE(parse("a").matches_or_parent("a/b/c"));
    EXPECT_TRUE(parse("a*").matches_or_parent("ab/c"));
    EXPECT_FALSE(parse("a").matches_or_parent("ab/c"));
    EXPECT_TRUE(parse("*/b").matches_or_parent("a/b/c"));
    EXPECT_FALSE(parse("*/c").matches_or_parent("a/b/c"));
    EXPECT_TRUE(parse("**/b").matches_or_parent("a/b/c"));
    EXPECT_TRUE(parse("a/b").could_match_below("a"));
    EXPECT_FALSE(parse("a/b").could_match_below("b"));
    EXPECT_FALSE(parse("a/b").could_match_below("a/b"));
    EXPECT_TRUE(parse("*/b").could_match_below("x"));
    EXPECT_FALSE(parse("*").could_match_below("x"));
    EXPECT_TRUE(parse("**/b").could_match_below("x/y/z"));
    EXPECT_TRUE(parse("x").could_match_below(""));
}

TEST(PathMatch, refuses_patterns_that_are_none) {
    for (const char* text : {"[", "[a", "[]a]", "[]", "[^]", "[^", "[-]", "[x-]", "[-x]", "[a-b-c]",
                             "a[", "[a-", "\\", "a\\", "[\\", "[^bc"}) {
        const auto pattern = PathPattern::parse(text, Stars::component);
        ASSERT_FALSE(pattern) << text;
        EXPECT_NE(pattern.error().message.find("syntax error in pattern"), std::string::npos);
    }
    EXPECT_FALSE(PathPattern::parse(std::string(kPathPatternBytesMax + 1, 'a'), Stars::tree));
}

TEST(PathMatch, takes_no_longer_than_pattern_times_path) {
    std::string text;
    for (int i = 0; i < 500; ++i) {
        text += "a*";
    }
    const auto pattern = PathPattern::parse(text + "b", Stars::tree);
    ASSERT_TRUE(pattern);
    EXPECT_FALSE(pattern->matches(std::string(4000, 'a') + "c"));
    EXPECT_FALSE(pattern->matches_or_parent(std::string(4000, 'a')));
}

TEST(PathMatch, splits_paths_where_wildcards_begin) {
    const auto split = [](std::string_view path) {
        const SplitPattern parts = split_at_wildcard(path);
        return parts.literal + "|" + parts.wildcard;
    };
    EXPECT_EQ(split("a/b/c"), "a/b/c|");
    EXPECT_EQ(split("a/b/*.c"), "a/b|*.c");
    EXPECT_EQ(split("a/b*/c"), "a|b*/c");
    EXPECT_EQ(split("*/c"), "|*/c");
    EXPECT_EQ(split(""), "|");
    EXPECT_FALSE(has_wildcards("a\\*b"));
    EXPECT_TRUE(has_wildcards("a\\\\*b"));
    EXPECT_TRUE(has_wildcards("a[b]"));
}

}  // namespace
}  // namespace lazybuild::dockerfile
