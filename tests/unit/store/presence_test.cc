// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/presence.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::store {
namespace {

class PresenceTest : public ::testing::Test {
  protected:
    std::unique_ptr<Presence> open(std::uint64_t chunks) {
        return Presence::open(path_, chunks, disk_.get()).value();
    }
    // As if another boot had written the file.
    void change_boot() {
        const Fd file = open_file(path_, O_WRONLY).value();
        ASSERT_TRUE(pwrite_all(file.get(), as_bytes("another"), 16).has_value());
    }

    test::TempDir directory_;
    const std::string path_ = directory_ / "have";
    Fd disk_ = open_file(directory_ / "disk", O_RDWR | O_CREAT).value();
};

TEST_F(PresenceTest, starts_with_nothing) {
    const auto presence = open(130);
    for (ChunkIndex chunk = 0; chunk < 130; ++chunk) {
        EXPECT_FALSE(presence->has(chunk));
    }
    EXPECT_FALSE(presence->has_all());
}

TEST_F(PresenceTest, keeps_what_was_flushed_through_a_kill) {
    {
        const auto presence = open(130);
        presence->mark(3);
        presence->mark(129);
        ASSERT_TRUE(presence->flush().has_value());
        presence->mark(64);  // after the flush: lost, and that is all
    }
    const auto presence = open(130);
    EXPECT_TRUE(presence->has(3));
    EXPECT_TRUE(presence->has(129));
    EXPECT_FALSE(presence->has(64));
    EXPECT_EQ(presence->marked(), 2U);
}

TEST_F(PresenceTest, only_claims_after_a_crash_of_the_machine) {
    {
        const auto presence = open(70);
        presence->mark(69);
        ASSERT_TRUE(presence->flush().has_value());
    }
    change_boot();
    {
        const auto presence = open(70);
        EXPECT_FALSE(presence->has(69));
        EXPECT_TRUE(presence->claimed(69));
        EXPECT_FALSE(presence->claimed(68));
        presence->mark(69);
        EXPECT_TRUE(presence->has(69));
        ASSERT_TRUE(presence->flush().has_value());
    }
    EXPECT_TRUE(open(70)->has(69));
}

TEST_F(PresenceTest, believes_a_clean_stop_after_a_reboot) {
    {
        const auto presence = open(10);
        presence->mark(7);
        ASSERT_TRUE(presence->close().has_value());
    }
    change_boot();
    EXPECT_TRUE(open(10)->has(7));
    // This open was not closed cleanly, so the next boot doubts again.
    change_boot();
    EXPECT_FALSE(open(10)->has(7));
}

TEST_F(PresenceTest, makes_a_file_anew_that_is_of_another_layer_or_none) {
    {
        const auto presence = open(10);
        presence->mark(1);
        ASSERT_TRUE(presence->flush().has_value());
    }
    EXPECT_FALSE(open(11)->has(1));
    ASSERT_TRUE(replace_file(path_, as_bytes("no presence file at all")).has_value());
    EXPECT_EQ(open(10)->marked(), 0U);
}

TEST_F(PresenceTest, ignores_bits_past_the_last_chunk) {
    {
        ASSERT_TRUE(open(3)->flush().has_value());
    }
    {
        const Fd file = open_file(path_, O_WRONLY).value();
        ASSERT_TRUE(pwrite_all(file.get(), as_bytes("\xff\xff\xff\xff"), 64).has_value());
    }
    const auto presence = open(3);
    EXPECT_EQ(presence->marked(), 3U);
    EXPECT_TRUE(presence->has_all());
}

}  // namespace
}  // namespace lazybuild::store
