// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/cache_mounts.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <thread>

#include "base/file.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/exec/fake_store.h"

namespace lazybuild::exec {
namespace {

using graph::RunMount;

class CacheMounts : public ::testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root for owners";
        }
    }
    Result<CacheMount> acquire(const RunMount& mount) {
        return acquire_cache(
            {.root = root_.path(), .mount = mount, .seed = seed_, .cancel = cancel_});
    }
    std::string key(const std::string& id, std::optional<CacheSeed> seed = {}) {
        RunMount mount{.type = RunMount::Type::cache, .id = id};
        return cache_key({.root = "", .mount = mount, .seed = std::move(seed)}).hex();
    }
    static RunMount mount_of(RunMount::Sharing sharing) {
        return {.type = RunMount::Type::cache, .id = "id", .sharing = sharing};
    }

    lazybuild::test::TempDir root_;
    std::optional<CacheSeed> seed_;
    io::CancelToken cancel_;
};

TEST_F(CacheMounts, are_known_by_their_id_and_what_they_begin_with) {
    EXPECT_EQ(key("a"), key("a"));
    EXPECT_NE(key("a"), key("b"));
    EXPECT_NE(key("a"), key("a", CacheSeed{.identity = "sha256:1"}));
    EXPECT_NE(key("a", CacheSeed{.identity = "1", .source = "23"}),
              key("a", CacheSeed{.identity = "12", .source = "3"}));
}

TEST_F(CacheMounts, are_shared_by_those_that_share) {
    const auto first = acquire(mount_of(RunMount::Sharing::shared));
    const auto second = acquire(mount_of(RunMount::Sharing::shared));
    ASSERT_TRUE(first);
    ASSERT_TRUE(second);
    EXPECT_EQ(::mkdirat(first->tree.get(), "made", 0755), 0);
    EXPECT_EQ(::faccessat(second->tree.get(), "made", F_OK, 0), 0);
}

TEST_F(CacheMounts, wait_for_whoever_locks_them) {
    auto first = acquire(mount_of(RunMount::Sharing::locked));
    ASSERT_TRUE(first);
    std::jthread releaser{[&first] {
        EXPECT_EQ(::mkdirat(first->tree.get(), "made", 0755), 0);
        first->lock.reset();
    }};
    const auto second = acquire(mount_of(RunMount::Sharing::shared));
    ASSERT_TRUE(second);
    EXPECT_EQ(::faccessat(second->tree.get(), "made", F_OK, 0), 0);
}

TEST_F(CacheMounts, begin_with_a_copy_of_their_seed) {
    lazybuild::test::TempDir from;
    from.run(
        "mkdir -p d/sub && echo text > d/sub/f && ln -s /etc d/l && "
        "mkfifo d/p && chown 5:6 d/sub/f && chmod 04750 d/sub/f && touch -d @1000 d/sub/f d/sub");
    test::DirectorySource files{from.path()};
    seed_ = CacheSeed{.identity = "x", .files = &files, .source = "d"};
    const auto cache = acquire(mount_of(RunMount::Sharing::shared));
    ASSERT_TRUE(cache) << cache.error().message;
    struct stat status{};
    ASSERT_EQ(::fstatat(cache->tree.get(), "sub/f", &status, AT_SYMLINK_NOFOLLOW), 0);
    EXPECT_EQ(status.st_mode & 07777, 04750U);
    EXPECT_EQ(status.st_uid, 5U);
    EXPECT_EQ(status.st_mtim.tv_sec, 1000);
    ASSERT_EQ(::fstatat(cache->tree.get(), "sub", &status, AT_SYMLINK_NOFOLLOW), 0);
    EXPECT_EQ(status.st_mtim.tv_sec, 1000);
    ASSERT_EQ(::fstatat(cache->tree.get(), "l", &status, AT_SYMLINK_NOFOLLOW), 0);
    EXPECT_TRUE(S_ISLNK(status.st_mode));
    EXPECT_NE(::faccessat(cache->tree.get(), "p", F_OK, 0), 0);
}

TEST_F(CacheMounts, are_not_half_there_when_their_seed_cannot_be_read) {
    lazybuild::test::TempDir from;
    test::DirectorySource files{from.path()};
    seed_ = CacheSeed{.identity = "x", .files = &files, .source = "missing"};
    EXPECT_FALSE(acquire(mount_of(RunMount::Sharing::shared)));
    EXPECT_FALSE(acquire(mount_of(RunMount::Sharing::shared)));
}

TEST_F(CacheMounts, are_removed_when_nobody_uses_them) {
    auto cache = acquire(mount_of(RunMount::Sharing::shared));
    ASSERT_TRUE(cache);
    auto usage = cache_usage(root_.path());
    ASSERT_TRUE(usage);
    ASSERT_EQ(usage->size(), 1U);
    EXPECT_TRUE(usage->front().in_use);
    EXPECT_EQ(usage->front().id, mount_of(RunMount::Sharing::shared).id);
    EXPECT_GT(usage->front().used_s, 0);
    const std::string name = usage->front().name;
    EXPECT_EQ(remove_cache(root_.path(), name).error().code, std::errc::device_or_resource_busy);
    cache->lock.reset();
    EXPECT_FALSE(cache_usage(root_.path())->front().in_use);
    EXPECT_TRUE(remove_cache(root_.path(), name));
    EXPECT_TRUE(remove_cache(root_.path(), name));
    EXPECT_TRUE(cache_usage(root_.path())->empty());
    EXPECT_TRUE(acquire(mount_of(RunMount::Sharing::locked)));
}

TEST_F(CacheMounts, are_none_where_nobody_has_wanted_one) {
    const auto usage = cache_usage(root_.path());
    ASSERT_TRUE(usage);
    EXPECT_TRUE(usage->empty());
}

}  // namespace
}  // namespace lazybuild::exec
