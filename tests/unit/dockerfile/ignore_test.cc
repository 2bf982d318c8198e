// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/ignore.h"

#include <gtest/gtest.h>

namespace lazybuild::dockerfile {
namespace {

struct Case {
    std::string_view text;
    std::string_view path;
    bool excluded;
};

// The answer of a walk from the root.
bool excluded_by_walking(const IgnorePatterns& patterns, std::string_view path) {
    IgnorePatterns::Known known;
    for (std::size_t end = path.find('/'); end != path.npos; end = path.find('/', end + 1)) {
        IgnorePatterns::Known own;
        patterns.verdict(path.substr(0, end), known, &own);
        known = own;
    }
    return patterns.verdict(path, known).excluded;
}

void expect(std::initializer_list<Case> cases) {
    for (const Case& one : cases) {
        const auto patterns = IgnorePatterns::parse(one.text, ".dockerignore");
        ASSERT_TRUE(patterns) << one.text << patterns.error().message;
        EXPECT_EQ(patterns->excludes(one.path), one.excluded) << one.text << " on " << one.path;
        EXPECT_EQ(excluded_by_walking(*patterns, one.path), one.excluded)
            << one.text << " on " << one.path;
    }
}

TEST(Ignore, matches_paths_and_what_lies_in_them) {
    expect({{"", "a", false},
            {"a", "a", true},
            {"a", "a/b", true},
            {"a", "b/a", false},
            {"a", "ab", false},
            {"/a", "a", true},
            {"a/", "a/b", true},
            {"./a", "a", true},
            {"x/../a", "a", true},
            {"../a", "a", false},
            {"  a  ", "a", true},
            {"a b", "a b", true},
            {"*", "a/b", true},
            {"*.md", "README.md", true},
            {"*.md", "doc/README.md", false},
            {"*/*.md", "doc/README.md", true},
            {"**/*.md", "README.md", true},
            {"**/*.md", "a/b/README.md", true},
            {"**/node_modules", "a/node_modules/b/c.js", true},
            {"**/node_modules", "node_modules", true},
            {"**/node_modules", "my_node_modules", false},
            {"a/**", "a", false},
            {"a/**", "a/b/c", true},
            {"temp?", "tempa", true},
            {"temp?", "temp", false},
            {"[a-c]x", "bx", true},
            {".", "a", false},
            {"/", "a", false},
            {"a\r\nb\r\n", "b", true},
            {"\xEF\xBB\xBF"
             "a",
             "a", true},
            {"# a", "a", false},
            {"#a", "#a", false},
            {" #a", "#a", true},
            {"\\#a", "#a", true},
            {"\\!a", "!a", true}});
}

TEST(Ignore, lets_the_last_match_decide) {
    expect({{"*\n!a", "a", false},
            {"*\n!a", "b", true},
            {"!a\n*", "a", true},
            {"*.md\n!README.md", "README.md", false},
            {"*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true},
            {"*.md\nREADME-secret.md\n!README*.md", "README-secret.md", false},
            {"a\n!a/b", "a/b", false},
            {"a\n!a/b", "a/c", true},
            {"a\n!a/b", "a/b/c", false},
            {"a\n!a/b\na", "a/b", true},
            {"**\n!src\nsrc/tmp", "src/x", false},
            {"**\n!src\nsrc/tmp", "src/tmp/x", true},
            {"*\n! a ", "a", false},
            {"*\n!/a/", "a/x", false}});
}

TEST(Ignore, says_which_line_decided) {
    const auto patterns = IgnorePatterns::parse("# c\n\n*.o\nbuild/\n!build/keep\n", "x").value();
    EXPECT_EQ(patterns.verdict("a.o").line, 3);
    EXPECT_EQ(patterns.verdict("a.o").pattern, "*.o");
    EXPECT_EQ(patterns.verdict("build/x").line, 4);
    EXPECT_EQ(patterns.verdict("build/x").pattern, "build/");
    EXPECT_EQ(patterns.verdict("build/keep").line, 5);
    EXPECT_FALSE(patterns.verdict("build/keep").excluded);
    EXPECT_EQ(patterns.verdict("src").line, 0);
    EXPECT_TRUE(patterns.has_exceptions());
}

TEST(Ignore, knows_directories_that_nobody_needs_to_enter) {
    const auto all_of = [](std::string_view text, std::string_view directory) {
        return IgnorePatterns::parse(text, "x")->excludes_all_of(directory);
    };
    EXPECT_TRUE(all_of("a", "a"));
    EXPECT_TRUE(all_of("a", "a/b"));
    EXPECT_FALSE(all_of("a", "b"));
    EXPECT_FALSE(all_of("a/b", "a"));
    EXPECT_FALSE(all_of("a\n!a/b", "a"));
    EXPECT_TRUE(all_of("a\n!a/b", "a/c"));
    EXPECT_FALSE(all_of("a\n!a/b", "a/b"));
    EXPECT_TRUE(all_of("a\n!b", "a"));
    EXPECT_TRUE(all_of("!a/b\na", "a"));
    EXPECT_FALSE(all_of("*\n!**/keep", "a/b/c"));
    EXPECT_FALSE(all_of("*\n!*/keep", "a"));
    EXPECT_TRUE(all_of("*\n!*/keep", "a/b"));
    EXPECT_FALSE(all_of("*", ""));
}

TEST(Ignore, takes_lists_of_patterns) {
    const auto patterns = IgnorePatterns::of({"*.txt", "", "!a.txt"}).value();
    EXPECT_TRUE(patterns.excludes("b.txt"));
    EXPECT_FALSE(patterns.excludes("a.txt"));
    EXPECT_EQ(patterns.verdict("a.txt").line, 3);
    EXPECT_TRUE(IgnorePatterns::of({})->empty());
    EXPECT_FALSE(IgnorePatterns::of({"["}));
}

TEST(Ignore, knows_when_everything_is_excluded) {
    EXPECT_TRUE(IgnorePatterns::of({"**"})->excludes_root());
    EXPECT_TRUE(IgnorePatterns::of({"*"})->excludes_root());
    EXPECT_FALSE(IgnorePatterns::of({"a", "!*"})->excludes_root());
}

TEST(Ignore, names_the_line_that_is_wrong) {
    auto patterns = IgnorePatterns::parse("a\n!\n", ".dockerignore");
    ASSERT_FALSE(patterns);
    EXPECT_EQ(patterns.error().message, ".dockerignore:2: illegal exclusion pattern: \"!\"");
    patterns = IgnorePatterns::parse("a\n\n[\n", ".dockerignore");
    ASSERT_FALSE(patterns);
    EXPECT_EQ(patterns.error().message, ".dockerignore:3: syntax error in pattern: \"[\"");
}

}  // namespace
}  // namespace lazybuild::dockerfile
