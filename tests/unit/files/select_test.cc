// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "builder/files/copy.h"
#include "tests/unit/files/fakes.h"

namespace lazybuild::files {
namespace {

using test::copy_step;
using test::MemoryFiles;

/// What is selected: "to" of each file, those on the way in parentheses, named files by name.
std::vector<std::string> selected(const graph::CopyStep& step, MemoryFiles& source) {
    const auto selection = select(step, {{0, &source.source()}});
    if (!selection) {
        return {selection.error().message};
    }
    std::vector<std::string> names;
    for (const Match& match : selection->matches) {
        for (const Selected& file : match.files) {
            if (!file.to.empty() || !match.directory) {
                const std::string name = match.directory ? file.to : match.name;
                names.push_back(file.on_the_way ? "(" + name + ")" : name);
            }
        }
    }
    return names;
}

using Names = std::vector<std::string>;

MemoryFiles tree() {
    MemoryFiles files;
    files.file("src/a.c", "a").file("src/a.h", "h").file("src/sub/b.h", "b").file("x.txt", "x");
    files.file("src/sub/deep/c.txt", "c").link("src/up", "..").directory("empty");
    return files;
}

TEST(Select, excludes_by_patterns_and_brings_back) {
    MemoryFiles files = tree();
    graph::CopyStep step = copy_step({"src"}, "/");
    step.excludes = {"**/*.h"};
    EXPECT_EQ(selected(step, files), (Names{"a.c", "sub", "sub/deep", "sub/deep/c.txt", "up"}));
    step.excludes = {"sub", "!sub/deep"};
    EXPECT_EQ(selected(step, files),
              (Names{"a.c", "a.h", "(sub)", "sub/deep", "sub/deep/c.txt", "up"}));
    step.excludes = {"*", "!nothing/in/here"};
    EXPECT_EQ(selected(step, files), Names{});
    step = copy_step({"*.txt", "src/a.*"}, "/");
    step.excludes = {"*.txt"};
    EXPECT_EQ(selected(step, files), (Names{"a.c", "a.h"}));
}

TEST(Select, keeps_parents_from_the_pivot_on) {
    MemoryFiles files = tree();
    graph::CopyStep step = copy_step({"src/sub/b.h"}, "/");
    step.parents = true;
    EXPECT_EQ(selected(step, files), (Names{"(src)", "(src/sub)", "src/sub/b.h"}));
    step = copy_step({"src/./sub/b.h"}, "/");
    step.parents = true;
    EXPECT_EQ(selected(step, files), (Names{"(sub)", "sub/b.h"}));
    step = copy_step({"./src/./**/*.h"}, "/");
    step.parents = true;
    EXPECT_EQ(selected(step, files), (Names{"a.h", "(sub)", "sub/b.h"}));
    step = copy_step({"src/sub"}, "/");
    step.parents = true;
    EXPECT_EQ(selected(step, files),
              (Names{"(src)", "src/sub", "src/sub/b.h", "src/sub/deep", "src/sub/deep/c.txt"}));
    step = copy_step({"*/*.c", "**/*.zip"}, "/");
    step.parents = true;
    EXPECT_EQ(selected(step, files), (Names{"(src)", "src/a.c"}));
    step = copy_step({"src/gone"}, "/");
    step.parents = true;
    EXPECT_EQ(selected(step, files), Names{"\"/src/gone\": not found"});
}

TEST(Select, follows_no_symlink_below_what_was_named) {
    MemoryFiles files;
    files.file("etc/passwd", "secret").link("web/out", "../../../../etc").link("web/again", ".");
    EXPECT_EQ(selected(copy_step({"web"}, "/"), files), (Names{"again", "out"}));
    EXPECT_EQ(selected(copy_step({"web/*/passwd"}, "/"), files), Names{});
    EXPECT_EQ(selected(copy_step({"web/out/passwd"}, "/"), files), (Names{"passwd"}))
        << "a named source is followed, and stays inside the root";
    files.link("dangling", "nowhere");
    EXPECT_EQ(selected(copy_step({"dangling"}, "/"), files),
              Names{"\"/dangling\": not found (symlinks lead to \"/nowhere\")"});
}

TEST(Select, a_wildcards_match_is_not_looked_into_for_more) {
    MemoryFiles files;
    files.file("a/a/x", "1").file("b/y", "2");
    EXPECT_EQ(selected(copy_step({"*"}, "/"), files), (Names{"a", "a/x", "y"}));
    EXPECT_EQ(selected(copy_step({"[ab]/?"}, "/"), files), (Names{"x", "y"}));
}

codec::Digest digest(const graph::CopyStep& step, MemoryFiles& files) {
    const auto selection = select(step, {{0, &files.source()}});
    EXPECT_TRUE(selection);
    return selection ? selection->digest : codec::Digest{};
}

TEST(Select, digests_what_the_copy_keeps_and_nothing_else) {
    const graph::CopyStep plain = copy_step({"d"}, "/");
    graph::CopyStep fixed = plain;
    fixed.permissions = "0644";
    fixed.owner = "1:1";
    struct Change {
        const char* name;
        std::function<void(MemoryFiles&)> make;
        bool counts;
        bool counts_when_fixed;
    };
    const std::vector<Change> changes{
        {"nothing", [](MemoryFiles&) {}, false, false},
        {"content", [](MemoryFiles& f) { f.file("d/x", "other", 0644, 1, 1); }, true, true},
        {"mode", [](MemoryFiles& f) { f.file("d/x", "text", 0755, 1, 1); }, true, false},
        {"owner", [](MemoryFiles& f) { f.file("d/x", "text", 0644, 2, 1); }, true, false},
        {"a name", [](MemoryFiles& f) { f.file("d/y", "text", 0644, 1, 1); }, true, true},
        {"a directory", [](MemoryFiles& f) { f.directory("d/s"); }, true, true},
        {"the named directory", [](MemoryFiles& f) { f.directory("d", 0700, 4, 4); }, false, false},
        {"a link", [](MemoryFiles& f) { f.link("d/l", "elsewhere"); }, true, true},
        {"something else", [](MemoryFiles& f) { f.file("e", "e"); }, false, false},
        {"one file with two names",
         [](MemoryFiles& f) {
             f.file("d/x", "text", 0644, 1, 1, 7).file("d/z", "zzz", 0644, 1, 1, 7);
         },
         true, true},
    };
    const auto base = [] {
        MemoryFiles files;
        files.file("d/x", "text", 0644, 1, 1).link("d/l", "x").file("d/z", "zzz", 0644, 1, 1);
        return files;
    };
    MemoryFiles before = base();
    for (const Change& change : changes) {
        MemoryFiles after = base();
        change.make(after);
        EXPECT_EQ(digest(plain, before) != digest(plain, after), change.counts) << change.name;
        EXPECT_EQ(digest(fixed, before) != digest(fixed, after), change.counts_when_fixed)
            << change.name;
    }
}

TEST(Select, digests_the_name_of_a_file_but_not_of_a_directory) {
    MemoryFiles files;
    files.file("a/x", "1").file("b/x", "1").file("f", "2").file("g", "2");
    EXPECT_EQ(digest(copy_step({"a"}, "/"), files), digest(copy_step({"b"}, "/"), files));
    EXPECT_NE(digest(copy_step({"f"}, "/"), files), digest(copy_step({"g"}, "/"), files));
    EXPECT_NE(digest(copy_step({"f", "g"}, "/"), files), digest(copy_step({"g", "f"}, "/"), files));
}

TEST(Select, lists_names_for_explaining_misses) {
    MemoryFiles files;
    files.file("d/x", "1").file("d/y", "1");
    const auto before = select(copy_step({"d"}, "/"), {{0, &files.source()}});
    files.file("d/y", "2");
    const auto after = select(copy_step({"d"}, "/"), {{0, &files.source()}});
    ASSERT_EQ(before->names.size(), 2U);
    EXPECT_TRUE(before->names[0].starts_with("x -644 0:0 sha256:")) << before->names[0];
    EXPECT_EQ(before->names[0], after->names[0]);
    EXPECT_NE(before->names[1], after->names[1]);
}

TEST(Select, lists_mode_and_owner_of_a_name_where_they_count_and_apart_from_the_rest) {
    MemoryFiles files;
    files.file("x", "1");
    graph::CopyStep step = copy_step({"x"}, "/");
    const std::string before = select(step, {{0, &files.source()}})->names[0];
    files.file("x", "1", 0755);
    const std::string after = select(step, {{0, &files.source()}})->names[0];
    EXPECT_TRUE(after.starts_with("x -755 0:0 sha256:")) << after;
    EXPECT_EQ(after.substr(after.rfind(' ')), before.substr(before.rfind(' ')));
    step.permissions = "0700";
    step.owner = "7";
    EXPECT_TRUE(select(step, {{0, &files.source()}})->names[0].starts_with("x -  sha256:"));
}

}  // namespace
}  // namespace lazybuild::files
