// SPDX-License-Identifier: Apache-2.0
#include "builder/files/unpack.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "base/file.h"
#include "builder/files/context.h"
#include "builder/files/copy.h"
#include "codec/tar.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/files/fakes.h"

namespace lazybuild::files {
namespace {

using codec::FileType;
using codec::LayerEntry;
using test::Lines;

LayerEntry file(const std::string& path, std::uint32_t mode = 0644) {
    return {.type = FileType::regular, .path = path, .mode = mode, .uid = 7, .gid = 8};
}
LayerEntry directory(const std::string& path) {
    return {.type = FileType::directory, .path = path, .mode = 0711, .uid = 7, .gid = 8};
}
LayerEntry symlink(const std::string& path, const std::string& target) {
    return {.type = FileType::symlink, .path = path, .mode = 0777, .link_target = target};
}
LayerEntry hardlink(const std::string& path, const std::string& target) {
    return {.kind = LayerEntry::Kind::hardlink, .path = path, .mode = 0644, .link_target = target};
}

/// A tar of entries; every regular file holds its own path.
std::string tar_of(const std::vector<LayerEntry>& entries) {
    std::string archive;
    for (const LayerEntry& one : entries) {
        codec::TarEntry entry;
        entry.entry = one;
        const bool regular = one.kind == LayerEntry::Kind::file && one.type == FileType::regular;
        const std::string text = regular ? one.path : "";
        entry.entry.size_bytes = text.size();
        archive += as_text(codec::tar_header(entry));
        archive += text;
        archive += as_text(codec::tar_padding(text.size()));
    }
    archive += as_text(codec::tar_end());
    return archive;
}

graph::CopyStep add_step(const std::string& destination) {
    graph::CopyStep step = test::copy_step({"a.tar"}, destination);
    step.sources.front().unpack = true;
    return step;
}

/// What ADD a.tar makes of it, over `onto`; the root's line is left out.
Lines added(const std::string& archive, test::MemoryFiles& onto,
            const std::string& destination = "/x", const std::string& owner = {}) {
    test::MemoryFiles source;
    source.file("a.tar", archive);
    graph::CopyStep step = add_step(destination);
    step.owner = owner;
    Lines lines = test::copied(step, source.source(), onto.source());
    lines.erase("./");
    return lines;
}

TEST(Unpack, keeps_what_the_archive_says) {
    test::MemoryFiles onto;
    const std::string archive = tar_of({directory("./"), directory("d"), file("d/f", 04755),
                                        symlink("l", "d/f"), hardlink("h", "d/f"), file("new/f")});
    EXPECT_EQ(added(archive, onto), (Lines{{"x", "d 755 0:0"},
                                           {"x/d", "d 711 7:8"},
                                           {"x/d/f", "f 4755 7:8 d/f"},
                                           {"x/h", "link to x/d/f"},
                                           {"x/l", "l -> d/f"},
                                           {"x/new", "d 755 0:0"},
                                           {"x/new/f", "f 644 7:8 new/f"}}));
    EXPECT_EQ(added(archive, onto, "/x", "3:4").at("x/new"), "d 755 3:4");
    EXPECT_EQ(added(archive, onto, "/x", "3:4").at("x/d/f"), "f 4755 3:4 d/f");
}

TEST(Unpack, names_and_links_lead_nowhere_else) {
    struct Case {
        const char* name;
        std::vector<LayerEntry> entries;
        Lines expected;  // empty: refused
    };
    const std::vector<Case> cases{
        {"parents", {file("../out")}, {}},
        {"parents inside", {file("a/../../out")}, {}},
        {"parents that stay",
         {file("a/../in")},
         {{"x", "d 711 0:0"}, {"x/in", "f 644 7:8 a/../in"}}},
        {"absolute",
         {file("/etc/f")},
         {{"x", "d 711 0:0"}, {"x/etc", "d 755 0:0"}, {"x/etc/f", "f 644 7:8 /etc/f"}}},
        {"through a symlink of the archive",
         {symlink("l", "../../../../etc"), file("l/passwd")},
         {{"etc", "d 700 0:0"},
          {"etc/passwd", "f 644 7:8 l/passwd"},
          {"x", "d 711 0:0"},
          {"x/l", "l -> ../../../../etc"}}},
        {"through an absolute one",
         {symlink("l", "/etc"), file("l/new")},
         {{"etc", "d 700 0:0"},
          {"etc/new", "f 644 7:8 l/new"},
          {"x", "d 711 0:0"},
          {"x/l", "l -> /etc"}}},
        {"onto a symlink",
         {symlink("f", "/etc/passwd"), file("f")},
         {{"x", "d 711 0:0"}, {"x/f", "f 644 7:8 f"}}},
        {"a link out", {hardlink("h", "../etc/passwd")}, {}},
        {"a link to nothing", {hardlink("h", "gone")}, {}},
        {"a link to a directory", {directory("d"), hardlink("h", "d")}, {}},
        {"a link to itself",
         {file("f"), hardlink("f", "f")},
         {{"x", "d 711 0:0"}, {"x/f", "f 644 7:8 f"}}},
        {"a file as a parent", {file("f"), file("f/g")}, {}},
        {"a whiteout device",
         {{.type = FileType::character, .path = "etc", .device_major = 0, .device_minor = 0}},
         {}},
        {"a whiteout by name", {file(".wh.etc")}, {}},
        {"links in a ring", {symlink("a", "b"), symlink("b", "a"), file("a/f")}, {}},
    };
    for (const Case& one : cases) {
        test::MemoryFiles onto;
        onto.directory("etc", 0700).file("etc/passwd", "root").directory("x", 0711);
        const Lines lines = added(tar_of(one.entries), onto);
        if (one.expected.empty()) {
            EXPECT_TRUE(lines.contains("error")) << one.name;
        } else {
            EXPECT_EQ(lines, one.expected) << one.name;
        }
    }
}

TEST(Unpack, replaces_what_is_there_and_hides_what_was_in_it) {
    test::MemoryFiles onto;
    onto.file("x/dir/old", "old").file("x/file", "old").link("x/l", "dir").file("x/keep/old", "o");
    EXPECT_EQ(
        added(tar_of({file("dir"), directory("file"), directory("l"), directory("keep")}), onto),
        (Lines{{"x", "d 755 0:0"},
               {"x/dir", "f 644 7:8 dir"},
               {"x/file", "d 711 7:8"},
               {"x/keep", "d 711 7:8"},
               {"x/l", "d 711 7:8"}}));
    EXPECT_EQ(added(tar_of({file("dir"), directory("dir"), file("dir/new")}), onto),
              (Lines{{"x", "d 755 0:0"},
                     {"x/dir", "d 711 7:8"},
                     {"x/dir/.wh..wh..opq", "opaque"},
                     {"x/dir/new", "f 644 7:8 dir/new"}}))
        << "a directory that took a file's place, which took another directory's";
}

TEST(Unpack, a_link_to_a_file_below_brings_it_up) {
    test::MemoryFiles onto;
    onto.file("x/below", "text", 0600);
    EXPECT_EQ(
        added(tar_of({hardlink("h", "below")}), onto),
        (Lines{{"x", "d 755 0:0"}, {"x/below", "f 600 0:0 text"}, {"x/h", "link to x/below"}}));
}

TEST(Unpack, what_is_no_archive_is_copied) {
    const std::string zeros(2048, '\0');
    const std::string archive = tar_of({file("f")});
    const std::vector<std::pair<std::string, bool>> cases{{archive, true},
                                                          {"text", false},
                                                          {"", false},
                                                          {zeros, false},
                                                          {archive.substr(0, 300), false}};
    for (const auto& [content, unpacked] : cases) {
        test::MemoryFiles onto;
        const Lines lines = added(content, onto, "/x/");
        EXPECT_EQ(lines.contains("x/f"), unpacked) << content.size();
        EXPECT_EQ(lines.contains("x/a.tar"), !unpacked) << content.size();
    }
}

TEST(Unpack, an_archive_that_breaks_off_is_an_error) {
    test::MemoryFiles onto;
    const std::string archive = tar_of({file("f"), file("some/longer/name")});
    EXPECT_TRUE(added(archive.substr(0, 1540), onto).contains("error"));
}

TEST(Unpack, does_what_tar_does) {
    const test::TempDir directory;
    directory.run(
        "mkdir -p t/sub 't/d r' && cd t && echo a >a && ln a b && ln -s a l && echo x >'d r/ü' && "
        "truncate -s 100000 sparse && echo end >>sparse && chmod 4711 a && mkfifo p && "
        "long=$(printf 'n%.0s' $(seq 120)) && mkdir -p $long/$long && echo deep "
        ">$long/$long/$long");
    for (const std::string flags :
         {"--format=pax -S -cf", "--format=gnu -cf", "--format=gnu -S -zcf", "--format=pax -jcf",
          "--format=pax -Jcf", "--format=gnu --zstd -cf"}) {
        directory.run("tar -C t " + flags +
                      " a.tar . && rm -rf u && mkdir u && "
                      "tar -C u -xpf a.tar && touch -d @5 u");
        const auto archive = open_file(directory / "a.tar", O_RDONLY);
        FdSource bytes{archive->get()};
        const auto unpacked = open_tar_context(bytes, directory.path());
        ASSERT_TRUE(unpacked) << flags << ": " << unpacked.error().message;
        const auto theirs = open_local_context(
            {.directory = directory / "u", .ignore_text = {}, .ignore_name = {}, .stat_index = {}});
        const graph::CopyStep step = test::copy_step({""}, "/");
        test::MemoryFiles nothing, too;
        Lines ours = test::copied(step, **unpacked, nothing.source());
        EXPECT_EQ(ours, test::copied(step, **theirs, too.source())) << flags;
        EXPECT_GT(ours.size(), 9U);
    }
}

TEST(TarContext, holds_what_no_directory_could) {
    const test::TempDir spool;
    const std::string archive =
        tar_of({symlink("out", "/etc"), file("Dockerfile"), file(".wh.x"), directory("d")});
    MemorySource bytes{as_bytes(archive)};
    const auto context = open_tar_context(bytes, spool.path());
    ASSERT_TRUE(context) << context.error().message;
    EXPECT_TRUE(std::filesystem::is_empty(spool.path())) << "nothing that an archive could name";
    EXPECT_EQ(*(*context)->list(""), (std::vector<std::string>{".wh.x", "Dockerfile", "d", "out"}));
    EXPECT_FALSE(*(*context)->look("out/passwd"));
    EXPECT_EQ((*(*context)->look("Dockerfile"))->uid, 7U);
    MemorySource junk{as_bytes("FROM scratch\n")};
    EXPECT_FALSE(open_tar_context(junk, spool.path()));
}

}  // namespace
}  // namespace lazybuild::files
