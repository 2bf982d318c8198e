// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/cmd_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "builder/cli/cache_contents.h"
#include "builder/solve/records.h"
#include "codec/sha256.h"
#include "tests/support/image_fixture.h"

namespace lazybuild::cli {
namespace {

codec::Digest digest_of(std::string_view text) {
    return codec::sha256(as_bytes(text));
}

/// A store with one thing of each kind that can be put there by hand.
class CacheTest : public testing::Test {
  protected:
    CacheTest() {
        const std::string commit = digest_of("commit").hex();
        directory_.run("mkdir -p root/git/" + commit +
                       "/tree root/http root/builds/dead root/blobs/" +
                       "sha256 root/cache-mounts/" + digest_of("mount").hex() + "/tree");
        directory_.run("cd root && seq 100000 >git/" + commit + "/tree/a && ln git/" + commit +
                       "/tree/a git/" + commit +
                       "/tree/b && seq 9000 >builds/dead/f && touch "
                       "builds/lock builds/dead/lock");
        directory_.run("cd root && seq 20000 >http/" + digest_of("http").hex() +
                       " && echo sha256:" + digest_of("http").hex() + " >http/url-" +
                       digest_of("url").hex());
        directory_.run("cd root/cache-mounts/* && touch lock && seq 30000 >tree/objects");
        directory_.run(
            "cd root && seq 5000 >stat-index.db && touch stat-index.db-wal && seq 6000 "
            ">blobs/sha256/" +
            digest_of("blob").hex());
        EXPECT_TRUE(records()->add(
            {.key = digest_of("key"), .definition = "WORKDIR /", .text = "WORKDIR /"}));
    }

    std::unique_ptr<solve::Records> records() const {
        return std::move(*solve::Records::open(directory_ / "root"));
    }
    nlohmann::json list() {
        console_.data.clear();
        EXPECT_EQ(run(CacheListArgs{.root = directory_ / "root", .json = true}, console_),
                  ExitCode::done)
            << console_.notes;
        return nlohmann::json::parse(console_.data);
    }
    std::set<std::string> kinds() {
        std::set<std::string> kinds;
        for (const auto& item : list()) {
            kinds.insert(item["kind"].get<std::string>());
        }
        return kinds;
    }
    ExitCode prune(CachePruneArgs args) {
        args.root = directory_ / "root";
        console_.data.clear();
        return run(args, console_);
    }
    std::uint64_t du() const {
        directory_.run("du -s -B1 root | cut -f1 >size");
        return std::stoull(directory_.read("size"));
    }

    const test::TempDir directory_;
    RecordingConsole console_;
};

using Kinds = std::set<std::string>;

TEST_F(CacheTest, lists_all_that_du_counts) {
    list();  // makes tables
    std::uint64_t sum_bytes = 0;
    for (const auto& item : list()) {
        sum_bytes += item["size"].get<std::uint64_t>();
    }
    EXPECT_EQ(sum_bytes, du());
    EXPECT_EQ(kinds(), (Kinds{"blob", "build", "git", "http", "index", "mount", "record", "rest"}));
}

TEST_F(CacheTest, a_file_with_two_names_counts_once) {
    for (const auto& item : list()) {
        if (item["kind"] == "git") {
            EXPECT_LT(item["size"], 700'000);
            EXPECT_GT(item["size"], 500'000);
        }
    }
}

TEST_F(CacheTest, prunes_all_but_cache_mounts) {
    const std::uint64_t before_bytes = du();
    ASSERT_EQ(prune({}), ExitCode::done) << console_.notes;
    EXPECT_EQ(kinds(), (Kinds{"mount", "rest"}));
    EXPECT_LT(du() + 700'000, before_bytes);
    EXPECT_TRUE(records()->all()->empty());
    directory_.run("test -z \"$(ls root/git root/http root/blobs/sha256 | grep -v :)\"");
    directory_.run("test -f root/cache-mounts/*/tree/objects");

    ASSERT_EQ(prune({.all = true}), ExitCode::done) << console_.notes;
    EXPECT_EQ(kinds(), (Kinds{"rest"}));
    directory_.run("test -z \"$(ls root/cache-mounts)\"");
}

TEST_F(CacheTest, prunes_kinds_by_our_names_and_those_of_buildx) {
    ASSERT_EQ(prune({.filters = {"type=exec.cachemount", "type=git"}}), ExitCode::done);
    EXPECT_EQ(kinds(), (Kinds{"blob", "build", "http", "index", "record", "rest"}));
    EXPECT_EQ(prune({.filters = {"type=kitchen"}}), ExitCode::usage);
    EXPECT_EQ(prune({.filters = {"type=rest"}}), ExitCode::usage);
    EXPECT_EQ(prune({.filters = {"name=x"}}), ExitCode::usage);
    EXPECT_EQ(prune({.older = "soon"}), ExitCode::usage);
}

TEST_F(CacheTest, leaves_what_is_young) {
    directory_.run("cd root && touch -d '2 days ago' http/* stat-index.db*");
    ASSERT_EQ(prune({.older = "1d"}), ExitCode::done);
    EXPECT_EQ(kinds(), (Kinds{"blob", "build", "git", "mount", "record", "rest"}));
    ASSERT_EQ(prune({.filters = {"until=1h"}}), ExitCode::done);
    EXPECT_EQ(kinds(), (Kinds{"blob", "build", "git", "mount", "record", "rest"}));
}

TEST_F(CacheTest, keeps_what_was_used_last_up_to_a_size) {
    directory_.run("cd root && touch -d '2 days ago' git/*");
    ASSERT_EQ(prune({.keep = "500k"}), ExitCode::done);
    const Kinds left = kinds();
    EXPECT_FALSE(left.contains("git"));
    EXPECT_TRUE(left.contains("http") && left.contains("blob")) << console_.data;
}

TEST_F(CacheTest, leaves_what_a_running_build_may_use) {
    const auto lock = open_file(directory_ / "root/lock", O_RDWR | O_CREAT, 0600);
    ASSERT_TRUE(lock);
    ASSERT_EQ(::flock(lock->get(), LOCK_SH), 0);
    const auto build = open_file(directory_ / "root/builds/dead/lock", O_RDWR);
    ASSERT_EQ(::flock(build->get(), LOCK_EX), 0);
    ASSERT_EQ(prune({.all = true}), ExitCode::done) << console_.notes;
    EXPECT_EQ(kinds(), (Kinds{"blob", "build", "git", "http", "index", "rest"}));
    EXPECT_NE(console_.notes.find("while a build runs"), std::string::npos) << console_.notes;
}

TEST_F(CacheTest, gives_back_the_space_of_records) {
    const std::string text(1000, 'x');
    for (int i = 0; i < 1000; ++i) {
        ASSERT_TRUE(records()->add({.key = digest_of(std::to_string(i)), .definition = text}));
    }
    ASSERT_EQ(prune({}), ExitCode::done);
    EXPECT_LT(std::filesystem::file_size(directory_ / "root/build.db"), 500'000);
}

}  // namespace
}  // namespace lazybuild::cli
