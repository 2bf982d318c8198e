// SPDX-License-Identifier: Apache-2.0
// What is written through a real overlay comes out as a layer's entries.
#include "builder/exec/upper_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "tests/unit/exec/fake_store.h"
#include "tests/unit/fuse/mount_fixture.h"

namespace lazybuild::exec {
namespace {

namespace fs = std::filesystem;

class UpperReader : public fuse::test::MountTest {
  protected:
    void SetUp() override {
        MountTest::SetUp();
        if (IsSkipped()) {
            return;
        }
        for (const char* name : {"lower/dir/sub", "lower/other", "upper", "work", "merged"}) {
            make_directory(name);
        }
        write("lower/dir/file", "below");
        write("lower/dir/sub/deep", "deep");
        store_ = std::make_unique<test::FakeStore>(make_directory("store"));
    }
    void write(const std::string& name, const std::string& content) const {
        std::ofstream{path(name)} << content;
    }
    void mount() const {
        ASSERT_OK(fuse::mount_overlay({.lowers = {path("lower")},
                                       .upper = path("upper"),
                                       .work = path("work"),
                                       .target = path("merged")}));
    }
    void shell(const std::string& commands) const {
        EXPECT_EQ(std::system(("cd " + path("merged") + " && " + commands).c_str()), 0) << commands;
    }
    /// Paths of the layer's entries, in order; "" when there is no layer.
    std::string read(const std::set<std::string>& ours = {}) {
        test::DirectorySource below{path("lower")};
        const auto layer = read_upper({.upper = path("upper"), .below = below, .made_by_us = ours},
                                      [this] { return store_->make_layer(); });
        if (!layer) {
            return layer.error().message;
        }
        layer_ = std::static_pointer_cast<test::DirectoryLayer>(*layer);
        std::string paths;
        for (std::size_t i = 0; layer_ != nullptr && i < layer_->entries.size(); ++i) {
            paths += (i == 0 ? "" : " ") + layer_->entries[i].path;
        }
        return paths;
    }
    const codec::LayerEntry& entry(const std::string& name) const {
        return *test::find_entry(*layer_, name);
    }

    std::unique_ptr<test::FakeStore> store_;
    std::shared_ptr<test::DirectoryLayer> layer_;
};

TEST_F(UpperReader, makes_nothing_of_nothing) {
    mount();
    EXPECT_EQ(read(), "");
    EXPECT_EQ(layer_, nullptr);
}

TEST_F(UpperReader, sorts_and_puts_directories_first) {
    mount();
    shell("mkdir -p b/z a && touch b/z/2 b/z/1 a/x top");
    EXPECT_EQ(read(), "a a/x b b/z b/z/1 b/z/2 top");
}

TEST_F(UpperReader, turns_deletions_into_whiteouts) {
    mount();
    shell("rm dir/file && rm -r dir/sub && rmdir other");
    EXPECT_EQ(read(), "dir dir/.wh.file dir/.wh.sub .wh.other");
}

TEST_F(UpperReader, says_that_a_directory_replaced_another) {
    mount();
    shell("rm -r dir && mkdir dir && touch -d @5 dir/new && mkdir -p dir/sub");
    EXPECT_EQ(read(), "dir dir/.wh..wh..opq dir/new dir/sub");
}

TEST_F(UpperReader, takes_nothing_for_unchanged_in_a_directory_that_replaced_another) {
    mount();
    shell("cp -a dir copy && rm -r dir && mv copy dir");
    EXPECT_EQ(read(), "dir dir/.wh..wh..opq dir/file dir/sub dir/sub/deep");
}

TEST_F(UpperReader, leaves_out_what_was_copied_up_and_is_as_it_was) {
    mount();
    shell("chmod 0755 dir other && chown 0:0 dir/file dir/sub/deep");
    ASSERT_TRUE(fs::exists(path("upper/dir/file")));
    EXPECT_EQ(read(), "");
}

TEST_F(UpperReader, sees_new_content_behind_an_old_time_and_size) {
    mount();
    shell(
        "touch -r dir/file /tmp/lazybuild-upper-$$ && printf BELOW > dir/file &&"
        "touch -r /tmp/lazybuild-upper-$$ dir/file; rm /tmp/lazybuild-upper-$$");
    EXPECT_EQ(read(), "dir dir/file");
    EXPECT_EQ(layer_->contents.at("dir/file"), "BELOW");
}

TEST_F(UpperReader, keeps_attributes) {
    mount();
    shell(
        "touch f && chown 12:34 f && chmod 04711 f && touch -d @1234.9 f && ln -s /to/x l &&"
        "mknod c c 7 300 && mkfifo p && mkdir -m 1777 t");
    ASSERT_EQ(::setxattr(path("merged/f").c_str(), "user.note", "n", 1, 0), 0);
    ASSERT_EQ(::setxattr(path("merged/f").c_str(), "trusted.other", "n", 1, 0), 0);
    EXPECT_EQ(read(), "c f l p t");
    EXPECT_EQ(entry("f").mode, 04711U);
    EXPECT_EQ(entry("f").uid, 12U);
    EXPECT_EQ(entry("f").gid, 34U);
    EXPECT_EQ(entry("f").mtime_s, 1234);
    ASSERT_EQ(entry("f").xattrs.size(), 1U);
    EXPECT_EQ(entry("f").xattrs[0].name, "user.note");
    EXPECT_EQ(entry("l").link_target, "/to/x");
    EXPECT_EQ(entry("c").type, codec::FileType::character);
    EXPECT_EQ(entry("c").device_minor, 300U);
    EXPECT_EQ(entry("p").type, codec::FileType::fifo);
    EXPECT_EQ(entry("t").mode, 01777U);
}

TEST_F(UpperReader, keeps_hard_links) {
    mount();
    shell("echo one > a && ln a z && mkdir d && ln a d/b");
    EXPECT_EQ(read(), "a d d/b z");
    EXPECT_EQ(entry("d/b").kind, codec::LayerEntry::Kind::hardlink);
    EXPECT_EQ(entry("z").link_target, "a");
}

TEST_F(UpperReader, leaves_sockets_out) {
    const Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    mount();
    shell("python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"s\")'");
    EXPECT_EQ(read(), "");
}

TEST_F(UpperReader, leaves_out_mount_points_that_stayed_empty) {
    mount();
    shell("mkdir -p run/secrets etc kept && touch run/secrets/x etc/hosts && echo u > kept/used");
    EXPECT_EQ(
        read({"run", "run/secrets", "run/secrets/x", "etc", "etc/hosts", "kept", "kept/used"}),
        "kept kept/used");
    EXPECT_EQ(read({"run/secrets/x"}), "etc etc/hosts kept kept/used run run/secrets");
}

TEST_F(UpperReader, refuses_names_that_mean_deletions) {
    mount();
    shell("touch dir/.wh.file");
    EXPECT_EQ(read(), "/dir/.wh.file: names that begin with .wh. mean something else in a layer");
}

TEST_F(UpperReader, follows_no_link) {
    mount();
    shell("ln -s /etc e && ln -s /etc/passwd p && ln -s . loop");
    EXPECT_EQ(read(), "e loop p");
}

TEST_F(UpperReader, reads_a_tree_deeper_than_a_process_has_descriptors) {
    mount();
    shell("python3 -c 'import os\nfor i in range(200): os.mkdir(\"d\"); os.chdir(\"d\")'");
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit few{.rlim_cur = 50, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    const std::string paths = read();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(paths.size(), 200U * 200 + 199) << paths;  // d, d/d, …, and spaces
}

}  // namespace
}  // namespace lazybuild::exec
