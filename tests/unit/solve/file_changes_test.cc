// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/file_changes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "builder/solve/records.h"

namespace lazybuild::solve {
namespace {

using Files = std::vector<std::string>;

TEST(FileChanges, tells_content_mode_and_owner_apart) {
    EXPECT_EQ(file_changes({"a b -644 0:0 2", "c -755 0:0 1", "d -644 7:7 1", "e l  1"},
                           {"a b -644 0:0 1", "c -644 0:0 1", "d -644 0:0 1", "e -644  1"}, true),
              (Files{"a b changed", "the mode of c changed: 644 -> 755",
                     "the owner of d changed: 0:0 -> 7:7", "e changed"}));
}

TEST(FileChanges, shows_ten_and_counts_the_others) {
    Files many;
    for (int i = 10; i < 24; ++i) {
        many.push_back(fmt::format("f{} -644 0:0 1", i));
    }
    const Files changes = file_changes(many, {}, true);
    ASSERT_EQ(changes.size(), kFilesShownMax + 1);
    EXPECT_EQ(changes[9], "f19 is new");
    EXPECT_EQ(changes[10], "and 4 more files");
}

TEST(FileChanges, tells_litter_together_and_how_to_be_rid_of_it) {
    const Files now = {
        ".git/index -644 0:0 2",   "x/.git/HEAD -644 0:0 2", "a.c~ -644 0:0 1",
        "src/.a.c.swp -644 0:0 1", "src/.#a.c l  1",         "4913 -644 0:0 1",
        ".DS_Store -644 0:0 1",    "main.c -644 0:0 1",      ".gitignore -644 0:0 1"};
    EXPECT_EQ(
        file_changes(now, {}, true),
        (Files{
            ".gitignore is new", "main.c is new",
            "the files of .git, which differ from clone to clone, changed (.git/index, "
            "x/.git/HEAD; put **/.git into .dockerignore)",
            "backups of an editor changed (a.c~; put **/*~ into .dockerignore)",
            "locks of an editor changed (src/.#a.c; put **/.#* into .dockerignore)",
            "swap files of an editor changed (src/.a.c.swp; put **/.*.sw? into .dockerignore)",
            "a file browser's .DS_Store changed (.DS_Store; put **/.DS_Store into .dockerignore)",
            "an editor's test file 4913 changed (4913; put **/4913 into .dockerignore)"}));
    EXPECT_EQ(file_changes({"a~ -644 0:0 1"}, {}, false),
              Files{"backups of an editor changed (a~)"});
}

TEST(FileChanges, does_not_miss_what_a_list_that_was_cut_has_not) {
    Files cut;
    for (std::size_t i = 0; i < kRecordFilesMax; ++i) {
        cut.push_back(fmt::format("f{} -644 0:0 1", i));
    }
    EXPECT_TRUE(file_changes({"f1 -644 0:0 1", "z -644 0:0 1"}, cut, true).size() > 1);
    EXPECT_EQ(file_changes(cut, {"f1 -644 0:0 2", "z -644 0:0 1"}, true).back(),
              fmt::format("and {} more files", kRecordFilesMax - kFilesShownMax));
    EXPECT_EQ(file_changes({"z -644 0:0 1"}, {"z -644 0:0 1"}, true), Files{});
    EXPECT_TRUE(file_changes(cut, cut, true).empty());
}

TEST(FileChanges, takes_any_text_for_a_line) {
    EXPECT_EQ(file_changes({"", "x", "y 1", "z 1 2"}, {" ", "   ", "y 2"}, true).size(), 3U);
}

}  // namespace
}  // namespace lazybuild::solve
