// SPDX-License-Identifier: Apache-2.0
// Our reader and writer against GNU tar: what it writes we read, what we write it extracts.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <map>

#include "codec/tar.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/codec/tar_fixture.h"

namespace lazybuild::codec {
namespace {

using lazybuild::test::TempDir;
using test::Archive;
using test::file_entry;
using test::ReadArchive;

struct Found {
    TarEntry tar;
    std::string payload;
};

/// The archive by path, after its offsets were checked against its bytes.
std::map<std::string, Found> read_archive(const TempDir& directory, std::string_view name) {
    const std::string text = directory.read(name);
    const ReadArchive read = test::read_all(text);
    EXPECT_FALSE(read.failed) << read.error.message;
    std::map<std::string, Found> found;
    std::uint64_t end_bytes = 0;
    for (std::size_t i = 0; i < read.entries.size(); ++i) {
        const TarEntry& tar = read.entries[i];
        const std::uint64_t size = tar.entry.size_bytes;
        EXPECT_LE(end_bytes, tar.header_offset_bytes);  // between them: global records at most
        EXPECT_EQ(text.substr(tar.payload_offset_bytes, size), read.payloads[i]);
        end_bytes = align_up(tar.payload_offset_bytes + size, kTarBlockBytes);
        found[tar.entry.path] = {.tar = tar, .payload = read.payloads[i]};
    }
    EXPECT_EQ(read.end_bytes, end_bytes + 1024);
    return found;
}

class GnuTar : public testing::TestWithParam<std::string> {
  protected:
    /// Makes archive.tar out of the directory "in".
    void pack(const std::string& options = "") const {
        directory.run("tar --format=" + GetParam() + " --sort=name --numeric-owner " + options +
                      " -cf archive.tar -C in .");
    }
    bool has_long_names() const { return GetParam() != "v7" && GetParam() != "ustar"; }

    TempDir directory;
};

INSTANTIATE_TEST_SUITE_P(Formats, GnuTar, testing::Values("v7", "oldgnu", "gnu", "ustar", "posix"),
                         [](const auto& format) { return format.param; });

TEST_P(GnuTar, files_directories_and_links_are_read) {
    directory.run(
        "mkdir -p in/dir && printf payload > in/dir/file && : > in/empty && "
        "ln -s dir/file in/symlink && ln in/dir/file in/hardlink && "
        "chmod 04751 in/dir/file && chmod 01777 in/dir && touch -d @1700000000 in/dir/file");
    pack("--owner=1000 --group=1001");
    auto found = read_archive(directory, "archive.tar");
    ASSERT_EQ(found.size(), 6U);
    const Found& file = found["./dir/file"];
    EXPECT_EQ(file.payload, "payload");
    EXPECT_EQ(file.tar.entry.mode, 04751U);
    EXPECT_EQ(file.tar.entry.uid, 1000U);
    EXPECT_EQ(file.tar.entry.gid, 1001U);
    EXPECT_EQ(file.tar.entry.mtime_s, 1700000000);
    EXPECT_EQ(found["./dir/"].tar.entry.type, FileType::directory);
    EXPECT_EQ(found["./dir/"].tar.entry.mode, 01777U);
    EXPECT_EQ(found["./empty"].tar.entry.size_bytes, 0U);
    EXPECT_EQ(found["./symlink"].tar.entry.type, FileType::symlink);
    EXPECT_EQ(found["./symlink"].tar.entry.link_target, "dir/file");
    EXPECT_EQ(found["./hardlink"].tar.entry.kind, LayerEntry::Kind::hardlink);
    EXPECT_EQ(found["./hardlink"].tar.entry.link_target, "./dir/file");
}

TEST_P(GnuTar, long_names_are_read) {
    const std::string directories = std::string(90, 'd') + "/" + std::string(60, 'e');
    const std::string name(90, 'f');
    directory.run("mkdir -p in/" + directories + " && printf x > in/" + directories + "/" + name);
    if (GetParam() == "v7") {
        return;  // cannot say them
    }
    pack();
    EXPECT_EQ(read_archive(directory, "archive.tar")["./" + directories + "/" + name].payload, "x");
}

TEST_P(GnuTar, names_beyond_ustar_are_read) {
    if (!has_long_names()) {
        return;
    }
    const std::string name(200, 'f');
    const std::string target(300, 't');
    directory.run("mkdir in && printf x > in/" + name + " && ln -s " + target + " in/link");
    pack();
    auto found = read_archive(directory, "archive.tar");
    EXPECT_EQ(found["./" + name].payload, "x");
    EXPECT_EQ(found["./link"].tar.entry.link_target, target);
}

TEST_P(GnuTar, big_owners_and_old_times_are_read) {
    if (!has_long_names()) {
        return;
    }
    directory.run("mkdir in && touch -d @-5 in/old");
    pack("--owner=:3000000 --group=:3000001");
    const LayerEntry entry = read_archive(directory, "archive.tar")["./old"].tar.entry;
    EXPECT_EQ(entry.mtime_s, -5);
    EXPECT_EQ(entry.uid, 3000000U);
    EXPECT_EQ(entry.gid, 3000001U);
}

TEST_P(GnuTar, devices_and_fifos_are_read) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "mknod needs root";
    }
    if (GetParam() == "v7") {
        return;  // cannot say them
    }
    directory.run("mkdir in && mkfifo in/fifo && mknod in/null c 1 3 && mknod in/disk b 259 70000");
    pack();
    auto found = read_archive(directory, "archive.tar");
    EXPECT_EQ(found["./fifo"].tar.entry.type, FileType::fifo);
    EXPECT_EQ(found["./null"].tar.entry.type, FileType::character);
    EXPECT_EQ(found["./null"].tar.entry.device_major, 1U);
    EXPECT_EQ(found["./null"].tar.entry.device_minor, 3U);
    EXPECT_EQ(found["./disk"].tar.entry.type, FileType::block);
    EXPECT_EQ(found["./disk"].tar.entry.device_major, 259U);
    EXPECT_EQ(found["./disk"].tar.entry.device_minor, 70000U);
}

TEST_P(GnuTar, sparse_files_are_refused) {
    if (!has_long_names()) {
        return;
    }
    directory.run("mkdir in && truncate -s 1M in/holes && printf x >> in/holes");
    pack("--sparse");
    const ReadArchive read = test::read_all(directory.read("archive.tar"));
    ASSERT_TRUE(read.failed);
    EXPECT_NE(read.error.message.find("sparse"), std::string::npos) << read.error.message;
    EXPECT_NE(read.error.message.find("holes"), std::string::npos) << read.error.message;
}

TEST(GnuTarPosix, fractions_xattrs_and_global_records_are_read) {
    const TempDir directory;
    directory.run(
        "mkdir in && touch -d '@-1.5' in/old && touch -d '@1.5' in/new && "
        "tar --format=posix --pax-option=comment=global,SCHILY.xattr.user.mime:=text/plain "
        "-cf archive.tar -C in .");
    auto found = read_archive(directory, "archive.tar");
    EXPECT_EQ(found["./old"].tar.entry.mtime_s, -2);
    EXPECT_EQ(found["./new"].tar.entry.mtime_s, 1);
    ASSERT_EQ(found["./new"].tar.entry.xattrs.size(), 1U);
    EXPECT_EQ(found["./new"].tar.entry.xattrs[0].name, "user.mime");
    EXPECT_EQ(found["./new"].tar.entry.xattrs[0].value, "text/plain");
}

TEST(GnuTarPosix, a_label_is_refused_by_its_type) {
    const TempDir directory;
    directory.run("mkdir in && tar --format=gnu -V label -cf archive.tar -C in .");
    const ReadArchive read = test::read_all(directory.read("archive.tar"));
    ASSERT_TRUE(read.failed);
    EXPECT_NE(read.error.message.find("0x56"), std::string::npos) << read.error.message;
}

/// One of everything, as our writer writes it.
std::string written_archive() {
    Archive archive;
    TarEntry directory = file_entry("dir");
    directory.entry.type = FileType::directory;
    directory.entry.mode = 01777;
    directory.entry.mtime_s = 1000;
    archive.add(directory);
    TarEntry file = file_entry("dir/file", 7);
    file.entry.mode = 04751;
    file.entry.mtime_s = -86400;
    file.entry.xattrs = {{.name = "user.mime", .value = "text/plain"}};
    archive.add(file, "payload");
    archive.file("dir/" + std::string(200, 'x'), "long");
    archive.file(std::string(90, 'd') + "/" + std::string(90, 'f'), "split");
    TarEntry symlink = file_entry("symlink");
    symlink.entry.type = FileType::symlink;
    symlink.entry.link_target = std::string(300, 't');
    archive.add(symlink);
    TarEntry hardlink = file_entry("hardlink");
    hardlink.entry.kind = LayerEntry::Kind::hardlink;
    hardlink.entry.link_target = "dir/file";
    hardlink.entry.mtime_s = -86400;
    hardlink.entry.mode = 04751;
    archive.add(hardlink);
    TarEntry fifo = file_entry("fifo");
    fifo.entry.type = FileType::fifo;
    archive.add(fifo);
    return archive.end().text;
}

TEST(TarWriter, gnu_tar_extracts_what_we_write) {
    const TempDir directory;
    directory.write("archive.tar", written_archive());
    directory.run(
        "mkdir out && tar --warning=no-timestamp -xpf archive.tar -C out 2> messages && "
        "test ! -s messages");
    EXPECT_EQ(directory.read("out/dir/file"), "payload");
    EXPECT_EQ(directory.read("out/" + std::string(90, 'd') + "/" + std::string(90, 'f')), "split");
    EXPECT_EQ(directory.read("out/dir/" + std::string(200, 'x')), "long");
    EXPECT_EQ(std::filesystem::read_symlink(directory / "out/symlink"), std::string(300, 't'));
    EXPECT_TRUE(std::filesystem::is_fifo(directory / "out/fifo"));
    struct stat file{};
    struct stat link{};
    struct stat parent{};
    ASSERT_EQ(::stat((directory / "out/dir/file").c_str(), &file), 0);
    ASSERT_EQ(::stat((directory / "out/hardlink").c_str(), &link), 0);
    ASSERT_EQ(::stat((directory / "out/dir").c_str(), &parent), 0);
    EXPECT_EQ(file.st_ino, link.st_ino);
    EXPECT_EQ(file.st_mode & 07777, 04751U);
    EXPECT_EQ(file.st_mtime, -86400);
    EXPECT_EQ(parent.st_mode & 07777, 01777U);
    EXPECT_EQ(parent.st_mtime, 1000);
}

TEST(TarWriter, gnu_tar_sees_the_owners_devices_and_xattrs_that_we_write) {
    Archive archive;
    TarEntry device = file_entry("disk");
    device.entry.type = FileType::block;
    device.entry.uid = 4000000;
    device.entry.gid = 5;
    device.entry.device_major = 259;
    device.entry.device_minor = 70000;
    archive.add(device);
    TarEntry file = file_entry("file");
    file.user_name = "someone";
    file.group_name = std::string(40, 'g');
    file.entry.xattrs = {{.name = "user.mime", .value = "text/plain"}};
    archive.add(file);
    const TempDir directory;
    directory.write("archive.tar", archive.end().text);
    directory.run("tar --xattrs -tvvf archive.tar > list 2>&1");
    const std::string list = directory.read("list");
    EXPECT_NE(list.find("4000000/5"), std::string::npos) << list;
    EXPECT_NE(list.find("259,70000"), std::string::npos) << list;
    EXPECT_NE(list.find("someone/" + std::string(40, 'g')), std::string::npos) << list;
    EXPECT_NE(list.find("x: 10 user.mime"), std::string::npos) << list;
}

}  // namespace
}  // namespace lazybuild::codec
