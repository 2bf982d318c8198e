// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "codec/tar.h"
#include "tests/unit/codec/tar_fixture.h"

namespace lazybuild::codec {
namespace {

using test::Archive;
using test::file_entry;
using test::only_entry;

/// Header only: what it says of payload does not follow.
TarEntry round_trip(const TarEntry& entry) {
    const Bytes header = tar_header(entry);
    MemorySource source{header};
    TarReader reader{source};
    const std::optional<TarEntry> read = reader.next().value_or(std::nullopt);
    EXPECT_TRUE(read);
    return read.value_or(TarEntry{});
}

std::string path_of(std::size_t directory_bytes, std::size_t name_bytes) {
    return std::string(directory_bytes, 'd') + "/" + std::string(name_bytes, 'n');
}

TEST(TarWriter, what_ustar_can_say_is_one_block) {
    TarEntry entry = file_entry("usr/bin/x", 0777'7777'7777);
    entry.entry.uid = 07777777;
    entry.entry.gid = 07777777;
    entry.entry.mtime_s = 0777'7777'7777;
    entry.user_name = std::string(31, 'u');
    entry.group_name = std::string(31, 'g');
    EXPECT_EQ(tar_header(entry).size(), kTarBlockBytes);
    for (const std::string& path : {std::string(100, 'n'), path_of(1, 100), path_of(155, 100),
                                    path_of(100, 50), std::string{"caf\xc3\xa9"}}) {
        entry.entry.path = path;
        EXPECT_EQ(tar_header(entry).size(), kTarBlockBytes) << path;
        const TarEntry read = round_trip(entry);
        EXPECT_EQ(read.entry.path, path);
        EXPECT_EQ(read.entry.size_bytes, entry.entry.size_bytes);
        EXPECT_EQ(read.entry.mtime_s, entry.entry.mtime_s);
        EXPECT_EQ(read.user_name, entry.user_name);
    }
}

TEST(TarWriter, what_ustar_cannot_say_goes_into_records) {
    const std::string long_name(101, 'x');
    std::vector<TarEntry> entries(12, file_entry("f"));
    entries[0].entry.path = long_name;
    entries[1].entry.path = path_of(156, 100);
    entries[2].entry.path = path_of(10, 101);
    entries[3].entry.path = "/" + std::string(100, 'n');
    entries[4].entry.size_bytes = std::uint64_t{1} << 33;
    entries[5].entry.uid = 4294967295;
    entries[6].entry.gid = 010000000;
    entries[7].entry.mtime_s = -1;
    entries[8].user_name = std::string(32, 'u');
    entries[9].group_name = std::string(255, 'g');
    entries[10].entry.xattrs = {{.name = "user.a", .value = std::string{"\0\n=", 3}}};
    entries[11].entry.type = FileType::symlink;
    entries[11].entry.link_target = long_name;
    for (const TarEntry& entry : entries) {
        EXPECT_GT(tar_header(entry).size(), kTarBlockBytes);
        const TarEntry read = round_trip(entry);
        EXPECT_EQ(read.entry.path, entry.entry.path);
        EXPECT_EQ(read.entry.size_bytes, entry.entry.size_bytes);
        EXPECT_EQ(read.entry.uid, entry.entry.uid);
        EXPECT_EQ(read.entry.gid, entry.entry.gid);
        EXPECT_EQ(read.entry.mtime_s, entry.entry.mtime_s);
        EXPECT_EQ(read.user_name, entry.user_name);
        EXPECT_EQ(read.group_name, entry.group_name);
        EXPECT_EQ(read.entry.link_target, entry.entry.link_target);
        ASSERT_EQ(read.entry.xattrs.size(), entry.entry.xattrs.size());
        if (!read.entry.xattrs.empty()) {
            EXPECT_EQ(read.entry.xattrs[0].value, entry.entry.xattrs[0].value);
        }
    }
}

TEST(TarWriter, every_type_comes_back) {
    for (const FileType type : {FileType::regular, FileType::directory, FileType::symlink,
                                FileType::character, FileType::block, FileType::fifo}) {
        TarEntry entry = file_entry("a/b");
        entry.entry.type = type;
        entry.entry.mode = 06751;
        entry.entry.device_major = 4095;
        entry.entry.device_minor = 0xffff'ffff;
        const LayerEntry read = round_trip(entry).entry;
        EXPECT_EQ(read.type, type);
        EXPECT_EQ(read.kind, LayerEntry::Kind::file);
        EXPECT_EQ(read.mode, 06751U);
        EXPECT_EQ(read.device_major, 4095U);
        EXPECT_EQ(read.device_minor, 0xffff'ffffU);
    }
    TarEntry link = file_entry("a/b", 99);
    link.entry.kind = LayerEntry::Kind::hardlink;
    link.entry.link_target = "a/c";
    const LayerEntry read = round_trip(link).entry;
    EXPECT_EQ(read.kind, LayerEntry::Kind::hardlink);
    EXPECT_EQ(read.link_target, "a/c");
    EXPECT_EQ(read.size_bytes, 0U);
}

TEST(TarWriter, directories_have_a_slash) {
    TarEntry entry = file_entry("a/b");
    entry.entry.type = FileType::directory;
    EXPECT_EQ(round_trip(entry).entry.path, "a/b/");
    entry.entry.path = "a/b/";
    EXPECT_EQ(round_trip(entry).entry.path, "a/b/");
    entry.entry.path = "";
    EXPECT_EQ(round_trip(entry).entry.path, "./");
    entry.entry.path = std::string(100, 'd');  // the slash is the byte too many
    EXPECT_EQ(round_trip(entry).entry.path, std::string(100, 'd') + "/");
}

TEST(TarWriter, equal_entries_are_equal_bytes_whatever_the_order_of_xattrs) {
    TarEntry one = file_entry(std::string(300, 'x'));
    one.entry.xattrs = {{.name = "user.a", .value = "1"}, {.name = "user.b", .value = "2"}};
    TarEntry other = one;
    std::swap(other.entry.xattrs[0], other.entry.xattrs[1]);
    other.header_offset_bytes = 12345;
    EXPECT_EQ(tar_header(one), tar_header(other));
    EXPECT_EQ(tar_header(one).size() % kTarBlockBytes, 0U);
}

TEST(TarWriter, record_lengths_count_their_own_digits) {
    // Around the lengths where the count itself gains a digit.
    for (const std::size_t size : {85U, 86U, 87U, 88U, 89U, 90U, 984U, 985U, 986U, 987U, 988U}) {
        TarEntry entry = file_entry("f");
        entry.entry.xattrs = {{.name = "u", .value = std::string(size - 13, 'v')}};
        const TarEntry read = round_trip(entry);
        ASSERT_EQ(read.entry.xattrs.size(), 1U) << size;
        EXPECT_EQ(read.entry.xattrs[0].value, entry.entry.xattrs[0].value) << size;
    }
}

TEST(TarWriter, padding_reaches_the_next_block) {
    EXPECT_EQ(tar_padding(0).size(), 0U);
    EXPECT_EQ(tar_padding(1).size(), 511U);
    EXPECT_EQ(tar_padding(512).size(), 0U);
    EXPECT_EQ(tar_padding((std::uint64_t{1} << 40) + 511).size(), 1U);
    EXPECT_EQ(tar_end().size(), 1024U);
}

}  // namespace
}  // namespace lazybuild::codec
