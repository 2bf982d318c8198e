// SPDX-License-Identifier: Apache-2.0
// The files of an image, in a directory and as a tar.
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/export/test_store.h"

namespace lazybuild::exporter {
namespace {

using test::make_image;

class LocalOutputTest : public test::ExportFixture {
  protected:
    static std::vector<layers::LayerPointer> two_layers() {
        return {test::LayerBuilder{}
                    .directory("d", 0711)
                    .file("d/a", std::string(3'000'000, 'a'), 04750)
                    .hardlink("z", "d/a")
                    .symlink("link", "/etc")
                    .file("gone", "x")
                    .finish("one"),
                test::LayerBuilder{}
                    .directory("d", 0700)
                    .file("d/n", "new", 0640)
                    .file(".wh.gone", "")
                    .finish("two")};
    }
    std::string local(const std::string& more = "") {
        return "type=local" + more + ",dest=" + (directory_ / "out");
    }
};

TEST_F(LocalOutputTest, writes_the_files_of_all_layers_together) {
    exported(local(), {make_image(two_layers())});
    directory_.run(
        "test $(stat -c %a-%h out/d/n) = 640-1 && cmp out/d/a out/z && "
        "test $(stat -c %h out/z) = 2 && test ! -e out/gone && "
        "test $(readlink out/link) = /etc && test $(stat -c %a out/d) = 700 && "
        "test $(stat -c %Y out/d/n) = 1500000000 && "
        "test $(stat -c %Y out/d) = 1600000000");
    directory_.run("test $(ls -A | wc -l) = 2");
}

TEST_F(LocalOutputTest, keeps_what_else_is_in_the_directory) {
    directory_.run(
        "mkdir -p out/d && echo mine > out/mine && echo old > out/d/n && "
        "ln -s /nowhere out/z");
    exported(local(), {make_image(two_layers())});
    directory_.run(
        "test $(cat out/mine) = mine && test $(cat out/d/n) = new && "
        "test ! -L out/z && cmp out/d/a out/z && ! ls -A out | grep lazybuild");
}

TEST_F(LocalOutputTest, removes_what_else_is_in_the_directory_when_asked_to) {
    directory_.run(
        "mkdir -p out/d/x out/z outside/kept && echo mine > out/mine && echo old > out/d/n && "
        "ln -s ../outside out/gone && touch out/d/old out/z/old");
    exported(local(",mode=delete"), {make_image(two_layers())});
    directory_.run(
        "test \"$(ls -A out | xargs)\" = 'd link z' && test -f out/z && "
        "test \"$(ls -A out/d | xargs)\" = 'a n' && test $(cat out/d/n) = new && "
        "test -d outside/kept && test $(stat -c %Y out/d) = 1600000000");
}

TEST_F(LocalOutputTest, removes_what_is_beside_the_directories_of_platforms) {
    directory_.run("mkdir -p out/linux_amd64 out/other && touch out/linux_amd64/old out/mine");
    exported(local(",mode=delete,platform-split=true"), {make_image(two_layers())});
    directory_.run(
        "test \"$(ls -A out out/linux_amd64 | xargs)\" = "
        "'out: linux_amd64 out/linux_amd64: d link z'");
}

TEST_F(LocalOutputTest, follows_no_symlink_of_the_directory) {
    directory_.run("mkdir out outside && ln -s ../outside out/d");
    exported(local(), {make_image(two_layers())});
    directory_.run("test -z \"$(ls outside)\" && test -f out/d/n && test ! -L out/d");
}

TEST_F(LocalOutputTest, does_not_replace_a_directory_by_a_file) {
    directory_.run("mkdir -p out/z/kept");
    EXPECT_NE(error_of(local(), {make_image(two_layers())}).find("/z: "), std::string::npos);
    directory_.run("test -d out/z/kept && ! ls -A out | grep lazybuild");
}

TEST_F(LocalOutputTest, leaves_no_new_directory_when_it_fails) {
    BuiltImage image = make_image({});
    image.open = [] {
        return Result<layers::Snapshot>{
            fail(Error{.code = std::errc::io_error, .message = "gone"})};
    };
    EXPECT_NE(error_of(local(), {image}).find("gone"), std::string::npos);
    directory_.run("test ! -e out");
}

TEST_F(LocalOutputTest, leaves_nothing_when_it_is_interrupted) {
    session_->give_up();
    for (const std::string& to : {local(), "type=tar,dest=" + (directory_ / "out")}) {
        const auto done = export_to(output(to), {make_image(two_layers())});
        ASSERT_FALSE(done);
        EXPECT_EQ(done.error().code, std::errc::operation_canceled) << done.error().message;
    }
    directory_.run("test -z \"$(ls -d out*)\"");
}

TEST_F(LocalOutputTest, puts_each_platform_into_a_directory) {
    exported(local(), {make_image(two_layers()), make_image(two_layers(), "linux/arm/v7")});
    directory_.run("test -f out/linux_amd64/d/n && test -f out/linux_arm_v7/d/n");
    EXPECT_NE(error_of(local(",platform-split=false"),
                       {make_image(two_layers()), make_image(two_layers(), "linux/arm64")})
                  .find("platform-split"),
              std::string::npos);
}

TEST_F(LocalOutputTest, takes_the_epoch_for_all_times) {
    exported(local(), {make_image(two_layers())}, {.source_date_epoch_s = 5});
    directory_.run("test $(stat -c %Y out/d/a) = 5 && test $(stat -c %Y out/d) = 5");
}

TEST_F(LocalOutputTest, writes_the_same_tar_each_time) {
    exported("type=tar,dest=" + (directory_ / "1.tar"), {make_image(two_layers())});
    exported("type=tar,dest=" + (directory_ / "2.tar"), {make_image(two_layers())});
    directory_.run(
        "cmp 1.tar 2.tar && mkdir u && tar -C u -xpf 1.tar && cmp u/d/a u/z && "
        "test $(stat -c %h u/z) = 2 && test $(stat -c %a u/d) = 700 && "
        "test ! -e u/gone");
    directory_.run("tar -tf 1.tar | LC_ALL=C sort -c");
}

TEST_F(LocalOutputTest, writes_to_what_is_no_file) {
    directory_.run("mkfifo pipe");
    directory_.run("{ tar -tf pipe > list & echo $! > reader; }");
    exported("type=tar,dest=" + (directory_ / "pipe"), {make_image(two_layers())});
    directory_.run(
        "while kill -0 $(cat reader) 2> /dev/null; do sleep 0.01; done; "
        "grep -qx d/n list && test -p pipe");
}

}  // namespace
}  // namespace lazybuild::exporter
