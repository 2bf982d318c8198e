// SPDX-License-Identifier: Apache-2.0
#include "builder/solve/records.h"

#include <gtest/gtest.h>

#include "codec/sha256.h"
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
                        .inputs = {key_of("b"), key_of("c")},
                        .definition = "RUN make\nbase x\n",
                        .text = "RUN make",
                        .files = {"src/a b.c sha256:1"}};
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
    const auto similar = (*records)->similar("RUN make", 5);
    ASSERT_TRUE(similar && similar->size() == 1);
    EXPECT_EQ(similar->front().inputs, record.inputs);
    EXPECT_EQ(similar->front().files, record.files);
    EXPECT_GT(similar->front().created_at_s, 0);
}

TEST(Records, tells_a_step_without_a_layer_from_no_record) {
    const test::TempDir directory;
    const auto records = Records::open(directory.path());
    ASSERT_TRUE(records);
    ASSERT_TRUE((*records)->add({.key = key_of("a")}));
    const auto found = (*records)->find(key_of("a"));
    ASSERT_TRUE(found && *found);
    EXPECT_FALSE((*found)->layer);
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
