// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/mount_state.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "tests/support/temp_dir.h"

namespace lazybuild::cli {
namespace {

class MountStates : public ::testing::Test {
  protected:
    MountState create(const std::string& target) {
        auto state = MountState::create(root_, target);
        EXPECT_TRUE(state) << state.error().message;
        return *std::move(state);
    }
    std::vector<MountRecord> records() const {
        const auto found = mount_records(root_);
        EXPECT_TRUE(found) << found.error().message;
        return found.value_or(std::vector<MountRecord>{});
    }

    test::TempDir directory_;
    std::string root_ = directory_ / "root";
};

TEST_F(MountStates, are_none_in_a_root_that_is_missing) {
    EXPECT_TRUE(records().empty());
}

TEST_F(MountStates, say_where_the_mount_is_and_that_it_is_served) {
    const MountState one = create("/mnt/one");
    const MountState two = create("/mnt/two\nlines");
    ASSERT_EQ(records().size(), 2U);
    for (const MountRecord& record : records()) {
        EXPECT_TRUE(record.served);
        EXPECT_EQ(record.target, record.path == one.path() ? "/mnt/one" : "/mnt/two\nlines");
    }
}

TEST_F(MountStates, go_with_what_is_in_them) {
    MountState state = create("/mnt");
    directory_.write(
        "root/mounts/" + std::filesystem::path(state.path()).filename().string() + "/l/file",
        "content");
    ASSERT_TRUE(state.remove());
    EXPECT_TRUE(records().empty());
    EXPECT_FALSE(std::filesystem::exists(state.path()));
}

TEST_F(MountStates, of_a_process_that_was_killed_can_be_removed_by_others) {
    std::optional<MountState> killed = create("/mnt");
    const MountState living = create("/mnt");
    const std::string path = killed->path();
    killed.reset();  // its lock goes, its directory stays
    for (const MountRecord& record : records()) {
        EXPECT_EQ(record.served, record.path == living.path());
        const auto removed = remove_mount_state(root_, record);
        EXPECT_EQ(removed.has_value(), record.path == path);
    }
    ASSERT_EQ(records().size(), 1U);
    EXPECT_EQ(records().front().path, living.path());
}

TEST_F(MountStates, that_somebody_else_has_removed_are_no_failure) {
    EXPECT_TRUE(create("/mnt").remove());
    EXPECT_TRUE(remove_mount_state(root_, {.path = root_ + "/mounts/gone", .target = "/mnt"}));
}

}  // namespace
}  // namespace lazybuild::cli
