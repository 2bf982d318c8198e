// SPDX-License-Identifier: Apache-2.0
#include "builder/files/stat_index.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "builder/files/context.h"
#include "codec/sha256.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::files {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kNow = 1'700'000'000 * kSecond;
const StatIndex::Place kPlace{.device = 1, .inode = 2, .path = "/src"};
const FileStamp kOld{
    .size_bytes = 5, .mtime_ns = kNow - 100 * kSecond, .ctime_ns = kNow - 50 * kSecond, .inode = 9};

FileFacts facts(std::string_view text) {
    return {.content = codec::sha256(as_bytes(text)),
            .xattrs = {{.name = "user.a", .value = std::string("\0:7", 3)}}};
}

TEST(StatIndex, knows_a_file_by_all_of_its_stamp) {
    const test::TempDir directory;
    {
        auto index = StatIndex::open(directory / "db", kPlace);
        ASSERT_TRUE(index) << index.error().message;
        index->remember("a/b", kOld, facts("text"), kNow);
        index->remember("dir", kOld, FileFacts{}, kNow);
        ASSERT_TRUE(index->save());
        ASSERT_TRUE(index->save()) << "nothing to do";
    }
    auto index = StatIndex::open(directory / "db", kPlace);
    ASSERT_TRUE(index);
    const FileFacts* const found = index->find("a/b", kOld);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->content, codec::sha256(as_bytes("text")));
    ASSERT_EQ(found->xattrs.size(), 1U);
    EXPECT_EQ(found->xattrs[0].value, std::string("\0:7", 3));
    ASSERT_NE(index->find("dir", kOld), nullptr);
    EXPECT_FALSE(index->find("dir", kOld)->content);
    for (auto change : {&FileStamp::mtime_ns, &FileStamp::ctime_ns}) {
        FileStamp other = kOld;
        other.*change += 1;
        EXPECT_EQ(index->find("a/b", other), nullptr);
    }
    FileStamp other = kOld;
    other.inode += 1;
    EXPECT_EQ(index->find("a/b", other), nullptr);
    EXPECT_EQ(index->find("a", kOld), nullptr);
}

TEST(StatIndex, does_not_trust_what_changed_just_now) {
    const test::TempDir directory;
    auto index = StatIndex::open(directory / "db", kPlace);
    FileStamp fresh = kOld;
    fresh.ctime_ns = kNow - kSecond;
    index->remember("fresh", fresh, facts("x"), kNow);
    EXPECT_EQ(index->find("fresh", fresh), nullptr);
    fresh.ctime_ns = kNow + 100 * kSecond;  // a clock that was wrong
    index->remember("fresh", fresh, facts("x"), kNow);
    EXPECT_EQ(index->find("fresh", fresh), nullptr);
    fresh.ctime_ns = kNow - 3 * kSecond;
    index->remember("fresh", fresh, facts("x"), kNow);
    EXPECT_NE(index->find("fresh", fresh), nullptr);
}

TEST(StatIndex, keeps_directories_apart) {
    const test::TempDir directory;
    {
        auto index = StatIndex::open(directory / "db", kPlace);
        index->remember("a", kOld, facts("1"), kNow);
        ASSERT_TRUE(index->save());
    }
    for (const StatIndex::Place& other :
         {StatIndex::Place{.device = 1, .inode = 3, .path = "/src"},
          StatIndex::Place{.device = 1, .inode = 2, .path = "/moved"}}) {
        auto index = StatIndex::open(directory / "db", other);
        ASSERT_TRUE(index);
        EXPECT_EQ(index->find("a", kOld), nullptr);
    }
}

TEST(StatIndex, spares_a_context_from_reading_unchanged_files) {
    const test::TempDir directory;
    directory.run("mkdir context && printf old >context/file && touch -d @1000000000 context/file");
    const std::string database = directory / "db";
    const auto open = [&] {
        return *open_local_context({.directory = directory / "context",
                                    .ignore_text = {},
                                    .ignore_name = {},
                                    .stat_index = database});
    };
    struct stat status{};
    ASSERT_EQ(::stat((directory / "context/file").c_str(), &status), 0);
    struct stat root{};
    ASSERT_EQ(::stat((directory / "context").c_str(), &root), 0);
    {  // what an earlier build would have left, had it read something else
        auto index = StatIndex::open(
            database, {.device = root.st_dev, .inode = root.st_ino, .path = directory / "context"});
        index->remember("file", stamp_of(status), facts("a lie"), stamp_of(status).ctime_ns * 2);
        ASSERT_TRUE(index->save());
    }
    EXPECT_EQ(open()->digest("file")->digest, codec::sha256(as_bytes("a lie"))) << "not read";
    directory.run("printf new >context/file && touch -d @1000000000 context/file");
    EXPECT_EQ(open()->digest("file")->digest, codec::sha256(as_bytes("new")))
        << "its ctime tells, though size and mtime are what they were";
}

TEST(StatIndex, is_begun_anew_when_it_is_broken) {
    const test::TempDir directory;
    directory.run("mkdir context && printf x >context/file");
    directory.write("db", "this is no database at all, and long enough to be looked at as one");
    const auto context = open_local_context({.directory = directory / "context",
                                             .ignore_text = {},
                                             .ignore_name = {},
                                             .stat_index = directory / "db"});
    ASSERT_TRUE(context);
    EXPECT_EQ((*context)->digest("file")->digest, codec::sha256(as_bytes("x")));
    EXPECT_TRUE(StatIndex::open(directory / "db", kPlace));
}

TEST(StatIndex, is_done_without_when_it_cannot_be_had) {
    const test::TempDir directory;
    directory.run("mkdir context && printf x >context/file");
    const auto context = open_local_context({.directory = directory / "context",
                                             .ignore_text = {},
                                             .ignore_name = {},
                                             .stat_index = directory / "no/such/db"});
    ASSERT_TRUE(context);
    EXPECT_EQ((*context)->digest("file")->digest, codec::sha256(as_bytes("x")));
}

}  // namespace
}  // namespace lazybuild::files
