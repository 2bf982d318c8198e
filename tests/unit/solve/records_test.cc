// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/records.h"

#include <gtest/gtest.h>

#include "codec/sha256.h"
#include "snapshotter/store/database.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::solve {
namespace {

codec::Digest key_of(std::string_view text) {
    return codec::sha256(as_bytes(text));
}

TEST(Records, finds_what_was_added_in_another_process) {
    const test::TempDir directory;
    const std::string root = directory.path() + "/root";
    const Record record{.key = key_of("a"),
                        .layer = key_of("layer"),
                        .content_key = key_of("a by content"),
                        .base = key_of("file system"),
                        .inputs = {key_of("b"), key_of("c")},
                        .definition = "RUN make\nbase x\n",
                        .text = "RUN make",
                        .files = {"src/a b.c sha256:1"},
                        .input_names = {"base step RUN configure"}};
    {
        const auto records = Records::open(root);
        ASSERT_TRUE(records) << records.error().message;
        ASSERT_TRUE((*records)->add(record));
    }
    const auto records = Records::open(root);
    ASSERT_TRUE(records);
    const auto found = (*records)->find(record.key);
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*found)->layer, record.layer);
    EXPECT_EQ((*found)->definition, record.definition);
    EXPECT_EQ((*found)->content_key, record.content_key);
    EXPECT_EQ((*found)->base, record.base);
    const auto similar = (*records)->similar("RUN make", 5);
    ASSERT_TRUE(similar && similar->size() == 1);
    EXPECT_EQ(similar->front().inputs, record.inputs);
    EXPECT_EQ(similar->front().files, record.files);
    EXPECT_EQ(similar->front().input_names, record.input_names);
    EXPECT_GT(similar->front().created_at_s, 0);
}

TEST(Records, finds_what_was_done_in_the_same_place) {
    const test::TempDir directory;
    const auto records = Records::open(directory.path());
    ASSERT_TRUE(records);
    ASSERT_TRUE((*records)->add({.key = key_of("a"), .base = key_of("here"), .text = "RUN make"}));
    ASSERT_TRUE((*records)->add({.key = key_of("b"), .base = key_of("there"), .text = "RUN make"}));
    ASSERT_TRUE((*records)->add({.key = key_of("c"), .text = "COPY --link x /"}));
    const auto children = (*records)->children(key_of("here"), 5);
    ASSERT_TRUE(children && children->size() == 1);
    EXPECT_EQ(children->front().key, key_of("a"));
}

// Another program may have the store open: its table stays as it is.
TEST(Records, opens_a_store_with_a_table_of_another_shape) {
    const test::TempDir directory;
    {
        auto database = store::Database::open(directory.path() + "/build.db");
        ASSERT_TRUE(database);
        ASSERT_TRUE(
            database->execute("CREATE TABLE step_records_1(key TEXT PRIMARY KEY);"
                              "INSERT INTO step_records_1(key) VALUES('old');"));
    }
    const auto records = Records::open(directory.path());
    ASSERT_TRUE(records) << records.error().message;
    EXPECT_TRUE((*records)->all()->empty());
    ASSERT_TRUE((*records)->add({.key = key_of("a")}));
    EXPECT_EQ((*records)->all()->size(), 1U);
}

TEST(Records, finds_nothing_under_another_key) {
    const test::TempDir directory;
    const auto records = Records::open(directory.path());
    ASSERT_TRUE(records);
    ASSERT_TRUE((*records)->add({.key = key_of("a")}));
    const auto missing = (*records)->find(key_of("b"));
    ASSERT_TRUE(missing);
    EXPECT_FALSE(*missing);
}

TEST(Records, replaces_and_removes) {
    const test::TempDir directory;
    const auto records = Records::open(directory.path());
    ASSERT_TRUE(records);
    ASSERT_TRUE((*records)->add({.key = key_of("a"), .layer = key_of("1")}));
    ASSERT_TRUE((*records)->add({.key = key_of("a"), .layer = key_of("2")}));
    EXPECT_EQ((*records)->all()->size(), 1U);
    EXPECT_EQ((**(*records)->find(key_of("a"))).layer, key_of("2"));
    ASSERT_TRUE((*records)->remove(key_of("a")));
    EXPECT_TRUE((*records)->all()->empty());
}

TEST(Records, notes_that_an_old_record_was_used) {
    const test::TempDir directory;
    {
        const auto records = Records::open(directory.path());
        ASSERT_TRUE(records);
        ASSERT_TRUE((*records)->add({.key = key_of("a"), .used_at_s = 1000}));
        ASSERT_TRUE((*records)->find(key_of("a")));
    }
    const auto records = Records::open(directory.path());
    EXPECT_GT((*records)->all()->front().used_at_s, 1000);
}

}  // namespace
}  // namespace lazybuild::solve
