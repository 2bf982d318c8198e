// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <utime.h>

#include <thread>

#include "builder/files/context.h"
#include "builder/files/copy.h"
#include "codec/sha256.h"
#include "snapshotter/io/pool.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/files/fakes.h"

namespace lazybuild::files {
namespace {

using Names = std::vector<std::string>;

std::unique_ptr<layers::FileSource> open_context(const test::TempDir& directory,
                                                 const std::string& ignore = {},
                                                 const std::string& index = {}) {
    auto context = open_local_context({.directory = directory.path() + "/context",
                                       .ignore_text = ignore,
                                       .ignore_name = ".dockerignore",
                                       .stat_index = index});
    EXPECT_TRUE(context) << context.error().message;
    return std::move(context).value_or(nullptr);
}

std::string content(layers::FileSource& source, const std::string& path) {
    auto opened = source.open(path);
    if (!opened) {
        return opened.error().message;
    }
    Bytes bytes(1 << 16);
    const auto count = read_full(**opened, bytes);
    EXPECT_TRUE(count);
    return std::string{as_text(ByteView{bytes}.first(count.value_or(0)))};
}

TEST(LocalContext, shows_files_as_root_owns_them) {
    const test::TempDir directory;
    directory.run(
        "mkdir -p context/dir && cd context && printf hello >dir/x && chmod 640 dir/x && "
        "chmod 1777 dir && ln -s ../elsewhere link && ln dir/x other && mkfifo pipe && "
        "touch -d @1234567890.9 dir/x && setfattr -n user.mime -v text dir/x 2>/dev/null;"
        "chown 12:13 context/dir/x 2>/dev/null || true");
    const auto context = open_context(directory);
    EXPECT_EQ(*context->list(""), (Names{"dir", "link", "other", "pipe"}));
    const layers::FileInfo file = **context->look("dir/x");
    EXPECT_EQ(file.type, codec::FileType::regular);
    EXPECT_EQ(file.mode, 0640U);
    EXPECT_EQ(file.uid + file.gid, 0U);
    EXPECT_EQ(file.mtime_s, 1234567890);
    EXPECT_EQ(file.size_bytes, 5U);
    EXPECT_NE(file.inode, 0U);
    EXPECT_EQ(file.inode, (*context->look("other"))->inode);
    EXPECT_EQ((*context->look("dir"))->mode, 01777U);
    EXPECT_EQ((*context->look("link"))->link_target, "../elsewhere");
    EXPECT_EQ((*context->look("pipe"))->type, codec::FileType::fifo);
    EXPECT_FALSE(*context->look("link/x"));
    EXPECT_FALSE(*context->look("gone"));
    EXPECT_EQ(context->digest("dir/x")->digest, codec::sha256(as_bytes("hello")));
    EXPECT_EQ(content(*context, "dir/x"), "hello");
    EXPECT_FALSE(context->list("dir/x"));
    EXPECT_FALSE(context->list("gone"));
}

TEST(LocalContext, carries_xattrs_of_users_and_capabilities) {
    const test::TempDir directory;
    directory.run("mkdir context && printf x >context/file");
    const std::string path = directory / "context/file";
    if (::setxattr(path.c_str(), "user.mime", "text", 4, 0) != 0) {
        GTEST_SKIP() << "no user.* xattrs in the temporary directory";
    }
    ::setxattr(path.c_str(), "trusted.secret", "x", 1, 0);  // only root may, and it stays behind
    const auto context = open_context(directory);
    const auto info = *context->look("file");
    ASSERT_EQ(info->xattrs.size(), 1U);
    EXPECT_EQ(info->xattrs[0].name, "user.mime");
    EXPECT_EQ(info->xattrs[0].value, "text");
}

TEST(LocalContext, leaves_sockets_out_and_never_opens_special_files) {
    const test::TempDir directory;
    directory.run("mkdir context && mkfifo context/pipe");
    const Fd listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    (directory / "context/socket").copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const auto context = open_context(directory);
    EXPECT_EQ(*context->list(""), Names{"pipe"});
    EXPECT_FALSE(*context->look("socket"));
    EXPECT_FALSE(context->open("pipe")) << "and did not wait for a writer";
    EXPECT_FALSE(context->digest("pipe"));
}

TEST(LocalContext, leads_nowhere_else) {
    const test::TempDir directory;
    directory.run(
        "mkdir context && printf secret >secret && ln -s .. context/up && "
        "ln -s /proc/self/root context/magic && ln -s ../secret context/file");
    const auto context = open_context(directory);
    for (const std::string path :
         {"up/secret", "magic/etc/passwd", "../secret", "up", "file", "/etc/passwd"}) {
        EXPECT_FALSE(context->open(path)) << path;
    }
    const auto selection = select(test::copy_step({"file"}, "/"), {{0, context.get()}});
    ASSERT_FALSE(selection) << "a named symlink is followed inside the context only";
    EXPECT_NE(selection.error().message.find("\"/file\": not found (symlinks lead to \"/secret\")"),
              std::string::npos);
}

TEST(LocalContext, hides_what_is_ignored_and_says_why) {
    const test::TempDir directory;
    directory.run(
        "mkdir -p context/out/keep/deep context/out/drop context/empty/x && cd context && "
        "touch a.o b.c out/keep/deep/f out/drop/g empty/x/y");
    const auto context = open_context(directory,
                                      "# build results\n*.o\nout\n!out/keep\nempty\n"
                                      "!empty/z\n");
    EXPECT_EQ(*context->list(""), (Names{"b.c", "out"}));
    EXPECT_EQ(*context->list("out"), (Names{"keep"}));
    EXPECT_EQ(*context->list("out/keep/deep"), (Names{"f"}));
    EXPECT_FALSE(*context->look("a.o"));
    EXPECT_FALSE(*context->look("out/drop/g"));
    EXPECT_FALSE(*context->look("empty"));
    EXPECT_TRUE(*context->look("out/keep/deep/f"));
    EXPECT_EQ(context->explain_absence("a.o"), "excluded by .dockerignore line 2: *.o");
    EXPECT_EQ(context->explain_absence("b.c"), "");
    const auto selection = select(test::copy_step({"out/drop/g"}, "/"), {{0, context.get()}});
    ASSERT_FALSE(selection);
    EXPECT_EQ(selection.error().message,
              "\"/out/drop/g\": not found (excluded by .dockerignore line 3: out)");
    EXPECT_FALSE(open_local_context({.directory = directory.path(),
                                     .ignore_text = "[",
                                     .ignore_name = "my.ignore",
                                     .stat_index = {}}));
}

TEST(LocalContext, finds_the_ignore_file) {
    const test::TempDir directory;
    directory.run("mkdir context sub && echo d >context/.dockerignore");
    const std::string context = directory / "context";
    const std::string dockerfile = directory / "sub/My.Dockerfile";
    EXPECT_EQ((*find_ignore_file(context, dockerfile, ""))->text, "d\n");
    directory.write("context/.containerignore", "c");
    EXPECT_EQ((*find_ignore_file(context, dockerfile, ""))->name, ".containerignore");
    directory.write("sub/My.Dockerfile.dockerignore", "own");
    EXPECT_EQ((*find_ignore_file(context, dockerfile, ""))->text, "own");
    EXPECT_EQ((*find_ignore_file(context, dockerfile, ""))->name, "My.Dockerfile.dockerignore");
    directory.write("chosen", "c");
    EXPECT_EQ((*find_ignore_file(context, dockerfile, directory / "chosen"))->text, "c");
    EXPECT_FALSE(find_ignore_file(context, dockerfile, directory / "gone"));
    EXPECT_FALSE(*find_ignore_file(directory / "sub", "", ""));
}

TEST(LocalContext, hashes_many_files_with_several_threads) {
    const test::TempDir directory;
    directory.run("mkdir context");
    Names paths;
    constexpr std::size_t kFiles = 500;
    for (std::size_t i = 0; i < kFiles; ++i) {
        paths.push_back("f" + std::to_string(i));
        const std::size_t size = i % 50 == 0 ? 300'000 + i : i * 37;
        directory.write("context/" + paths.back(), std::string(size, static_cast<char>(i)));
    }
    io::Pool pool{3};
    const auto context = open_local_context({.directory = directory / "context",
                                             .ignore_text = {},
                                             .ignore_name = {},
                                             .stat_index = {},
                                             .workers = &pool});
    const auto digests = (*context)->digests(paths);
    ASSERT_TRUE(digests) << digests.error().message;
    for (std::size_t i = 0; i < kFiles; ++i) {
        EXPECT_EQ((*digests)[i].digest,
                  codec::sha256(as_bytes(directory.read("context/" + paths[i]))))
            << i;
    }
}

TEST(LocalContext, a_file_that_changes_during_the_build_is_an_error) {
    const test::TempDir directory;
    directory.run("mkdir context && printf one >context/file");
    const auto context = open_context(directory);
    ASSERT_TRUE(*context->look("file"));
    directory.write("context/file", "other");
    const auto digest = context->digest("file");
    ASSERT_FALSE(digest);
    EXPECT_NE(digest.error().message.find("\"file\" was written to while the build read it"),
              std::string::npos);
}

/// A context of files in some directories, all of which are looked at and expected, as a COPY does.
class ExpectedFiles {
  public:
    explicit ExpectedFiles(io::Pool* pool, std::size_t directories = 5) {
        constexpr std::size_t kFilesEach = 150;
        directory_.run("mkdir context");
        for (std::size_t i = 0; i < directories; ++i) {
            const std::string parent = "d" + std::to_string(i);
            directory_.run("mkdir context/" + parent);
            for (std::size_t j = 0; j < kFilesEach; ++j) {
                paths_.push_back(parent + "/" + std::to_string(j));
                directory_.write("context/" + paths_.back(),
                                 std::string(j * 7, static_cast<char>('a' + i)));
            }
        }
        context_ = *open_local_context({.directory = directory_ / "context",
                                        .ignore_text = {},
                                        .ignore_name = {},
                                        .stat_index = directory_ / "index",
                                        .workers = pool});
        for (std::size_t i = 0; i < directories; ++i) {
            const std::string parent = "d" + std::to_string(i);
            const auto names = context_->list(parent);
            Names listed;
            for (const std::string& name : *names) {
                listed.push_back(parent + "/" + name);
                EXPECT_TRUE(*context_->look(listed.back()));
            }
            context_->expect_digests(listed);
        }
    }
    layers::FileSource& context() { return *context_; }
    const Names& paths() const { return paths_; }
    const test::TempDir& directory() const { return directory_; }
    void close() { context_.reset(); }

  private:
    test::TempDir directory_;
    Names paths_;
    std::unique_ptr<layers::FileSource> context_;
};

TEST(LocalContext, begins_to_hash_what_is_expected) {
    io::Pool pool{3};
    ExpectedFiles files{&pool};
    const auto digests = files.context().digests(files.paths());
    ASSERT_TRUE(digests) << digests.error().message;
    for (std::size_t i = 0; i < files.paths().size(); ++i) {
        const std::string text = files.directory().read("context/" + files.paths()[i]);
        EXPECT_EQ((*digests)[i].digest, codec::sha256(as_bytes(text))) << files.paths()[i];
    }
}

TEST(LocalContext, expected_files_may_never_be_asked_for) {
    io::Pool pool{3};
    ExpectedFiles files{&pool};
    files.close();
}

TEST(LocalContext, an_expected_file_that_changes_fails_what_asks_for_digests_and_nothing_later) {
    io::Pool pool{1};
    ExpectedFiles files{&pool, 1};  // too few for others to begin
    files.directory().write("context/d0/7", "something else");
    const auto digests = files.context().digests(files.paths());
    ASSERT_FALSE(digests);
    EXPECT_NE(digests.error().message.find("\"d0/7\" was written to while the build read it"),
              std::string::npos);
    EXPECT_FALSE(files.context().digest("d0/7"));
    EXPECT_TRUE(files.context().digest("d0/8"));
}

TEST(LocalContext, gives_the_bytes_that_it_hashed_and_later_those_that_are_there) {
    const test::TempDir directory;
    directory.run("mkdir context && printf one >context/file");
    const auto context = open_context(directory);
    ASSERT_TRUE(context->digest("file"));
    directory.write("context/file", "two");
    const auto read = [&context] {
        Bytes bytes(3);
        const auto content = context->open("file");
        EXPECT_EQ(*read_full(**content, bytes), 3U);
        return std::string{as_text(bytes)};
    };
    EXPECT_EQ(read(), "one");
    EXPECT_EQ(read(), "two");
}

TEST(LocalContext, lets_go_of_the_bytes_that_it_hashed) {
    const test::TempDir directory;
    directory.run("mkdir context && printf one >context/file");
    const auto context = open_context(directory);
    ASSERT_TRUE(context->digest("file"));
    directory.write("context/file", "two");
    context->drop_kept_bytes();
    EXPECT_EQ(content(*context, "file"), "two");
}

TEST(LocalContext, does_not_open_what_has_taken_the_place_of_a_file) {
    const test::TempDir directory;
    directory.run("mkdir context && printf one >context/file && printf two >context/other");
    const auto context = open_context(directory);
    ASSERT_TRUE(*context->look("file"));
    ASSERT_TRUE(*context->look("other"));
    directory.run("cd context && rm file other && mkfifo file other");
    const Fd events{::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    ASSERT_GE(::inotify_add_watch(events.get(), (directory / "context").c_str(), IN_OPEN), 0);
    const auto digest = context->digest("file");
    ASSERT_FALSE(digest);
    EXPECT_NE(digest.error().message.find("\"file\" is not a regular file any more"),
              std::string::npos)
        << digest.error().message;
    EXPECT_FALSE(context->open("other"));
    Bytes seen(4096);
    EXPECT_EQ(::read(events.get(), seen.data(), seen.size()), -1) << "somebody has opened it";
}

}  // namespace
}  // namespace lazybuild::files
