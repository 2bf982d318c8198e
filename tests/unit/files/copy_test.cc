// SPDX-License-Identifier: Apache-2.0
#include "builder/files/copy.h"

#include <gtest/gtest.h>

#include "tests/unit/files/fakes.h"

namespace lazybuild::files {
namespace {

using test::copied;
using test::copy_step;
using test::Lines;
using test::MemoryFiles;

// What every layer says about the directories that lead to what it has.
Lines with_root(Lines lines) {
    lines.emplace("./", "d 755 0:0");
    return lines;
}

MemoryFiles project() {
    MemoryFiles files;
    files.file("main.c", "main")
        .file("lib/a.c", "a", 0600, 7, 8)
        .directory("lib/empty", 0700, 7, 8);
    files.link("lib/link", "../main.c").link("current", "lib").file("tool", "#!", 0755);
    return files;
}

struct Case {
    std::string name;
    std::vector<std::string> patterns;
    std::string destination;
    Lines expected;
};

void PrintTo(const Case& one, std::ostream* out) {
    *out << one.name;
}

class CopyPlaces : public testing::TestWithParam<Case> {};

TEST_P(CopyPlaces, are_those_of_buildkit) {
    MemoryFiles source = project();
    MemoryFiles onto;
    onto.directory("etc", 0700, 5, 5).file("etc/conf", "old").link("app", "srv/real");
    onto.directory("srv/real", 0711).link("etc/alias", "conf").link("up", "../../../srv");
    onto.file("etc/sub/x", "x").link("loop", "loop").link("etc/there", "/srv/new");
    EXPECT_EQ(copied(copy_step(GetParam().patterns, GetParam().destination), source.source(),
                     onto.source()),
              GetParam().expected);
}

const Lines kLib{{"a.c", "f 600 7:8 a"}};

INSTANTIATE_TEST_SUITE_P(
    Table, CopyPlaces,
    testing::Values(Case{"file_to_new_name",
                         {"main.c"},
                         "/main2.c",
                         with_root({{"main2.c", "f 644 0:0 main"}})},
                    Case{"file_into_new_directory",
                         {"main.c"},
                         "/new/dir/",
                         with_root({{"new", "d 755 0:0"},
                                    {"new/dir", "d 755 0:0"},
                                    {"new/dir/main.c", "f 644 0:0 main"}})},
                    Case{"file_into_existing_directory_which_stays_as_it_is",
                         {"main.c"},
                         "/etc",
                         with_root({{"etc", "d 700 5:5"}, {"etc/main.c", "f 644 0:0 main"}})},
                    Case{"file_through_symlinks_of_the_destination",
                         {"main.c"},
                         "/app/",
                         with_root({{"srv", "d 755 0:0"},
                                    {"srv/real", "d 711 0:0"},
                                    {"srv/real/main.c", "f 644 0:0 main"}})},
                    Case{"links_that_lead_out_stay_inside",
                         {"main.c"},
                         "/up/x",
                         with_root({{"srv", "d 755 0:0"}, {"srv/x", "f 644 0:0 main"}})},
                    Case{"file_onto_a_symlink_named_by_the_destination_writes_its_target",
                         {"main.c"},
                         "/etc/alias",
                         with_root({{"etc", "d 700 5:5"}, {"etc/conf", "f 644 0:0 main"}})},
                    Case{"a_dangling_symlink_of_the_destination_is_filled",
                         {"lib"},
                         "/etc/there",
                         with_root({{"srv", "d 755 0:0"},
                                    {"srv/new", "d 755 0:0"},
                                    {"srv/new/a.c", "f 600 7:8 a"},
                                    {"srv/new/empty", "d 700 7:8"},
                                    {"srv/new/link", "l -> ../main.c"}})},
                    Case{"contents_of_a_directory_not_itself",
                         {"lib"},
                         "/x",
                         with_root({{"x", "d 755 0:0"},
                                    {"x/a.c", "f 600 7:8 a"},
                                    {"x/empty", "d 700 7:8"},
                                    {"x/link", "l -> ../main.c"}})},
                    Case{"a_named_symlink_is_followed",
                         {"lib/link"},
                         "/x/",
                         with_root({{"x", "d 755 0:0"}, {"x/link", "f 644 0:0 main"}})},
                    Case{"a_named_symlink_to_a_directory_too",
                         {"current/a.c"},
                         "/x",
                         with_root({{"x", "f 600 7:8 a"}})},
                    Case{"wildcards_name_files_and_contents",
                         {"l*", "m*.c"},
                         "/x/",
                         with_root({{"x", "d 755 0:0"},
                                    {"x/a.c", "f 600 7:8 a"},
                                    {"x/empty", "d 700 7:8"},
                                    {"x/link", "l -> ../main.c"},
                                    {"x/main.c", "f 644 0:0 main"}})},
                    Case{"a_wildcard_that_matches_nothing_copies_nothing", {"*.zip"}, "/x/", {}},
                    Case{"wildcards_match_per_component",
                         {"*/a.?"},
                         "/x/",
                         with_root({{"x", "d 755 0:0"}, {"x/a.c", "f 600 7:8 a"}})},
                    Case{"a_missing_name", {"gone"}, "/x", {{"error", "\"/gone\": not found"}}},
                    Case{"parents_of_the_root_are_the_root",
                         {"../../main.c"},
                         "/x",
                         with_root({{"x", "f 644 0:0 main"}})},
                    Case{"a_directory_onto_a_file",
                         {"lib"},
                         "/etc/conf",
                         {{"error", "cannot copy to non-directory: /etc/conf"}}},
                    Case{"through_a_file",
                         {"main.c"},
                         "/etc/conf/x",
                         {{"error", "cannot copy to non-directory: /etc/conf"}}}),
    [](const auto& info) { return info.param.name; });

TEST(Copy, a_file_cannot_take_the_place_of_a_directory) {
    MemoryFiles source, onto;
    source.file("dir/sub", "text");
    onto.directory("etc/sub");
    EXPECT_EQ(copied(copy_step({"dir"}, "/etc"), source.source(), onto.source()),
              (Lines{{"error", "cannot replace to directory /etc/sub with file"}}));
    EXPECT_EQ(copied(copy_step({"dir/sub"}, "/etc"), source.source(), onto.source()),
              (Lines{{"error", "cannot replace to directory /etc/sub with file"}}));
}

TEST(Copy, directories_inside_a_directory_take_the_sources_attributes_and_keep_their_files) {
    MemoryFiles source, onto;
    source.directory("dir", 0711, 3, 3).directory("dir/sub", 0700, 4, 4).file("dir/sub/new", "n");
    onto.directory("x", 0750, 9, 9).directory("x/sub", 0755).file("x/sub/old", "o");
    EXPECT_EQ(
        copied(copy_step({"dir"}, "/x"), source.source(), onto.source()),
        with_root({{"x", "d 750 9:9"}, {"x/sub", "d 700 4:4"}, {"x/sub/new", "f 644 0:0 n"}}));
}

TEST(Copy, a_symlink_in_the_way_is_replaced_and_not_followed) {
    MemoryFiles source, onto;
    source.file("dir/name", "new").file("tree/name/x", "x");
    onto.link("x/name", "/etc/passwd").file("etc/passwd", "root");
    EXPECT_EQ(copied(copy_step({"dir"}, "/x"), source.source(), onto.source()),
              with_root({{"x", "d 755 0:0"}, {"x/name", "f 644 0:0 new"}}));
    EXPECT_EQ(copied(copy_step({"dir/name"}, "/x/"), source.source(), onto.source()),
              with_root({{"x", "d 755 0:0"}, {"x/name", "f 644 0:0 new"}}));
    EXPECT_EQ(copied(copy_step({"tree"}, "/x"), source.source(), onto.source()),
              (Lines{{"error", "cannot copy to non-directory: /x/name"}}));
}

TEST(Copy, later_sources_win) {
    MemoryFiles source, onto;
    source.file("a/name", "first").file("a/only", "a").file("b/name", "second");
    EXPECT_EQ(copied(copy_step({"a", "b"}, "/"), source.source(), onto.source()),
              with_root({{"name", "f 644 0:0 second"}, {"only", "f 644 0:0 a"}}));
}

TEST(Copy, names_of_one_file_stay_names_of_one_file_within_one_tree) {
    MemoryFiles source, onto;
    source.file("t/b", "same", 0644, 0, 0, 77).file("t/a", "same", 0644, 0, 0, 77);
    source.file("c", "same", 0644, 0, 0, 77);
    EXPECT_EQ(copied(copy_step({"t", "c"}, "/x/"), source.source(), onto.source()),
              with_root({{"x", "d 755 0:0"},
                         {"x/a", "f 644 0:0 same"},
                         {"x/b", "link to x/a"},
                         {"x/c", "f 644 0:0 same"}}));
}

TEST(Copy, chmod_and_chown_hold_for_files_and_directories_and_new_parents) {
    MemoryFiles source = project();
    MemoryFiles onto;
    onto.file("etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh\n");
    graph::CopyStep step = copy_step({"lib"}, "/srv/app");
    step.owner = "app";
    step.permissions = "640";
    EXPECT_EQ(copied(step, source.source(), onto.source()),
              with_root({{"srv", "d 640 1000:1001"},
                         {"srv/app", "d 640 1000:1001"},
                         {"srv/app/a.c", "f 640 1000:1001 a"},
                         {"srv/app/empty", "d 640 1000:1001"},
                         {"srv/app/link", "l -> ../main.c"}}));
    step.permissions = "u=rwX,go=rX";
    step.owner = "12";
    EXPECT_EQ(copied(step, source.source(), onto.source()).at("srv/app/a.c"), "f 644 12:12 a");
    EXPECT_EQ(copied(step, source.source(), onto.source()).at("srv/app/empty"), "d 755 12:12");
}

TEST(Copy, linked_layers_bring_plain_directories_of_their_own) {
    MemoryFiles source = project();
    MemoryFiles onto;
    onto.link("opt", "elsewhere").directory("tmp", 01777);
    graph::CopyStep step = copy_step({"main.c"}, "/opt/tmp/");
    step.base.reset();
    EXPECT_EQ(
        copied(step, source.source(), onto.source()),
        (Lines{
            {"opt", "d 755 0:0"}, {"opt/tmp", "d 755 0:0"}, {"opt/tmp/main.c", "f 644 0:0 main"}}));
    step.owner = "5:6";
    EXPECT_EQ(
        copied(step, source.source(), onto.source()),
        (Lines{
            {"opt", "d 755 5:6"}, {"opt/tmp", "d 755 5:6"}, {"opt/tmp/main.c", "f 644 5:6 main"}}));
}

TEST(Copy, texts_are_files_with_a_fixed_time) {
    MemoryFiles onto;
    graph::CopyStep step{.base = 1, .onto = 1, .destination = "/etc/"};
    step.inline_files.push_back({.name = "motd", .content = "hello\n"});
    step.inline_files.push_back({.name = "empty", .content = ""});
    const auto selection = select(step, {});
    ASSERT_TRUE(selection);
    test::FakeMaker maker;
    ASSERT_TRUE(copy(step, *selection, &onto.source(), maker));
    EXPECT_EQ(maker.lines(), with_root({{"etc", "d 755 0:0"},
                                        {"etc/motd", "f 644 0:0 hello\n"},
                                        {"etc/empty", "f 644 0:0"}}));
    EXPECT_EQ(maker.mtime_s("etc/motd"), kMadeTimeS);
}

TEST(Copy, names_that_would_remove_files_below_are_refused) {
    MemoryFiles source, onto;
    source.file("x/.wh.etc", "");
    const Lines lines = copied(copy_step({"x"}, "/"), source.source(), onto.source());
    EXPECT_NE(lines.at("error").find("\"/.wh.etc\" cannot be put into an image"),
              std::string::npos);
}

TEST(Copy, wrong_claims_and_changed_files_are_found_out) {
    MemoryFiles source, onto;
    source.file("x", "what is there");
    const graph::CopyStep step = copy_step({"x"}, "/");
    auto selection = select(step, {{0, &source.source()}});
    ASSERT_TRUE(selection);
    source.file("x", "what is here!");
    test::FakeMaker maker;
    const auto layer = copy(step, *selection, &onto.source(), maker);
    ASSERT_FALSE(layer);
    EXPECT_EQ(layer.error().code, std::errc::bad_message);
    EXPECT_NE(layer.error().message.find("\"/x\": its bytes hash to"), std::string::npos);
}

}  // namespace
}  // namespace lazybuild::files
