// SPDX-License-Identifier: Apache-2.0
// Archives put together by hand: the rules, one by one. What real programs write is read in
// tar_tool_test.cc.
#include <gtest/gtest.h>

#include "codec/tar.h"
#include "codec/tar_pax.h"
#include "tests/unit/codec/tar_fixture.h"

namespace lazybuild::codec {
namespace {

using test::Archive;
using test::error_of;
using test::file_entry;
using test::only_entry;
using test::read_all;

std::string records(std::initializer_list<std::pair<std::string_view, std::string_view>> list) {
    std::string text;
    for (const auto& [key, value] : list) {
        append_pax_record(text, key, value);
    }
    return text;
}

Archive with_records(std::initializer_list<std::pair<std::string_view, std::string_view>> list) {
    return Archive{}.raw('x', records(list)).file("name", "abc").end();
}

/// One byte at a time.
class TricklingSource final : public ByteSource {
  public:
    explicit TricklingSource(ByteView bytes) : source_(bytes) {}
    Result<std::size_t> read(MutableByteView out) override { return source_.read(out.first(1)); }

  private:
    MemorySource source_;
};

TEST(TarReader, offsets_say_where_headers_and_payloads_stand) {
    const Archive archive = Archive{}
                                .file("a", "payload")
                                .raw('x', records({{"path", "b"}}))
                                .file("short", std::string(512, 'b'))
                                .file("c")
                                .end();
    const auto read = read_all(archive.text);
    ASSERT_EQ(read.entries.size(), 3U);
    EXPECT_EQ(read.entries[0].header_offset_bytes, 0U);
    EXPECT_EQ(read.entries[0].payload_offset_bytes, 512U);
    EXPECT_EQ(read.entries[1].header_offset_bytes, 1024U);
    EXPECT_EQ(read.entries[1].payload_offset_bytes, 2560U);
    EXPECT_EQ(read.entries[2].header_offset_bytes, 3072U);
    EXPECT_EQ(read.payloads, (std::vector<std::string>{"payload", std::string(512, 'b'), ""}));
    EXPECT_EQ(read.end_bytes, archive.text.size());
}

TEST(TarReader, a_slow_source_and_random_access_give_the_same) {
    const Archive archive = Archive{}.file("a", "payload").raw('L', "long").file("b", "more").end();
    TricklingSource slow{as_bytes(archive.text)};
    const MemoryAccess access{as_bytes(archive.text)};
    const auto expected = read_all(archive.text);
    for (const auto& read :
         {test::read_with(TarReader{slow}), test::read_with(TarReader{access})}) {
        EXPECT_EQ(read.payloads, expected.payloads);
        EXPECT_EQ(read.end_bytes, expected.end_bytes);
        ASSERT_EQ(read.entries.size(), 2U);
        EXPECT_EQ(read.entries[1].entry.path, "long");
    }
}

TEST(TarReader, unread_payload_is_skipped) {
    const Archive archive =
        Archive{}.file("a", std::string(100'000, 'x')).file("b", "payload").end();
    MemorySource source{as_bytes(archive.text)};
    TarReader reader{source};
    ASSERT_TRUE(reader.next());
    Bytes some(1000);
    EXPECT_EQ(reader.read_payload(some), 1000U);
    const std::optional<TarEntry> second = reader.next().value_or(std::nullopt);
    EXPECT_EQ(second.value_or(TarEntry{}).entry.path, "b");
    EXPECT_EQ(reader.read_payload(some), 7U);
    EXPECT_EQ(reader.read_payload(some), 0U);
}

TEST(TarReader, what_follows_the_end_marker_is_left_alone) {
    Archive archive = Archive{}.file("a").end();
    archive.text += "not tar at all";
    MemorySource source{as_bytes(archive.text)};
    TarReader reader{source};
    ASSERT_TRUE(reader.next());
    EXPECT_EQ(reader.next(), std::nullopt);
    EXPECT_EQ(reader.next(), std::nullopt);
    EXPECT_EQ(reader.offset_bytes(), 512U + 1024U);
    Bytes rest(20);
    EXPECT_EQ(source.read(rest), 14U);
}

TEST(TarReader, an_end_without_a_marker_is_an_end) {
    const Archive whole = Archive{}.file("a", "payload");
    EXPECT_FALSE(read_all(whole.text).failed);
    EXPECT_FALSE(read_all("").failed);
    const std::string one_block = whole.text + std::string(512, '\0');
    EXPECT_FALSE(read_all(one_block).failed);
    const std::string_view unpadded = std::string_view{whole.text}.substr(0, 512 + 7);
    EXPECT_FALSE(read_all(unpadded).failed);
}

TEST(TarReader, half_a_marker_is_refused) {
    Archive archive = Archive{}.file("a");
    archive.text += std::string(512, '\0');
    archive.file("b");
    EXPECT_EQ(error_of(archive).code, std::errc::bad_message);
}

TEST(TarReader, an_archive_cut_anywhere_is_refused_or_ends_between_entries) {
    const Archive archive = Archive{}
                                .file("a", "payload")
                                .raw('x', records({{"path", "b"}}))
                                .file("short", "more payload")
                                .end();
    const auto whole = read_all(archive.text);
    // Where a cut is an end: between entries, inside padding, and in the marker.
    const auto is_end = [](std::size_t size) {
        return size == 0 || (size >= 519 && size <= 1024) || (size >= 2572 && size <= 3072) ||
               size == 3584 || size == 4096;
    };
    for (std::size_t size = 0; size <= archive.text.size(); ++size) {
        const auto read = read_all(std::string_view{archive.text}.substr(0, size));
        EXPECT_EQ(read.failed, !is_end(size)) << size;
        ASSERT_LE(read.entries.size(), whole.entries.size());
    }
}

TEST(TarReader, types_become_types) {
    const std::pair<char, FileType> types[] = {{'0', FileType::regular},   {'7', FileType::regular},
                                               {'\0', FileType::regular},  {'2', FileType::symlink},
                                               {'3', FileType::character}, {'4', FileType::block},
                                               {'5', FileType::directory}, {'6', FileType::fifo}};
    for (const auto& [letter, type] : types) {
        const LayerEntry entry = only_entry(Archive{}.raw(letter, "").end()).entry;
        EXPECT_EQ(entry.type, type) << letter;
        EXPECT_EQ(entry.kind, LayerEntry::Kind::file);
    }
    EXPECT_EQ(only_entry(Archive{}.raw('1', "").end()).entry.kind, LayerEntry::Kind::hardlink);
}

TEST(TarReader, only_version_7_has_directories_by_their_slash) {
    const TarEntry slash = file_entry("name/");
    EXPECT_EQ(only_entry(Archive{}.raw('\0', "", slash)).entry.type, FileType::directory);
    EXPECT_EQ(only_entry(Archive{}.raw('0', "", slash)).entry.type, FileType::regular);
}

TEST(TarReader, only_regular_files_have_a_payload) {
    for (const char type : {'1', '2', '3', '4', '5', '6'}) {
        Archive archive = Archive{}.raw(type, "");
        archive.patch(0, tar_format::kSize, "00000001000");
        archive.file("next").end();
        const auto read = read_all(archive.text);
        ASSERT_EQ(read.entries.size(), 2U) << type;
        EXPECT_EQ(read.entries[0].entry.size_bytes, 0U);
        EXPECT_EQ(read.entries[1].entry.path, "next");
    }
}

TEST(TarReader, unknown_types_are_refused_by_name) {
    const Error error = error_of(Archive{}.raw('V', "", file_entry("label")).end());
    EXPECT_EQ(error.code, std::errc::bad_message);
    EXPECT_NE(error.message.find("\"label\""), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("0x56"), std::string::npos) << error.message;
}

TEST(TarReader, sparse_files_are_refused_by_name) {
    const Error gnu = error_of(Archive{}.raw('S', "", file_entry("holes")).end());
    EXPECT_NE(gnu.message.find("\"holes\""), std::string::npos) << gnu.message;
    EXPECT_NE(gnu.message.find("sparse"), std::string::npos) << gnu.message;
    EXPECT_EQ(gnu.code, std::errc::not_supported);
    const Error pax = error_of(with_records({{"GNU.sparse.major", "1"}}));
    EXPECT_NE(pax.message.find("\"name\""), std::string::npos) << pax.message;
    EXPECT_NE(pax.message.find("sparse"), std::string::npos) << pax.message;
}

TEST(TarReader, a_wrong_checksum_is_refused_with_its_place) {
    Archive archive = Archive{}.file("a").file("b").end();
    archive.text[512] = 'c';
    const Error error = error_of(archive);
    EXPECT_EQ(error.code, std::errc::bad_message);
    EXPECT_NE(error.message.find("byte 512"), std::string::npos) << error.message;
}

TEST(TarReader, sums_of_signed_bytes_are_good_too) {
    Archive archive = Archive{}.file("caf\xc3\xa9").end();
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < kTarBlockBytes; ++i) {
        sum += i >= 148 && i < 156 ? ' ' : static_cast<signed char>(archive.text[i]);
    }
    char digits[8];
    std::snprintf(digits, sizeof digits, "%06o", static_cast<unsigned>(sum));
    archive.text.replace(148, 7, digits, 7);
    EXPECT_EQ(only_entry(archive).entry.path, "caf\xc3\xa9");
}

TEST(TarReader, numbers_are_octal_or_base_256) {
    Archive archive = Archive{}.file("a").end();
    archive.patch(0, tar_format::kUid, "  17 ");
    archive.patch(0, tar_format::kGid, std::string_view{"\x80\0\0\0\0\x30\0\0", 8});
    archive.patch(0, tar_format::kMtime, std::string(11, '\xff') + '\xfb');
    const LayerEntry entry = only_entry(archive).entry;
    EXPECT_EQ(entry.uid, 15U);
    EXPECT_EQ(entry.gid, 0x300000U);
    EXPECT_EQ(entry.mtime_s, -5);
}

TEST(TarReader, numbers_that_are_none_are_refused) {
    const std::pair<tar_format::Field, std::string_view> cases[] = {
        {tar_format::kUid, "12x4"},
        {tar_format::kGid, "888"},
        {tar_format::kMode, "-1"},
        {tar_format::kSize, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"},  // -1
        {tar_format::kMtime, "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"},
        {tar_format::kDeviceMajor, "zz"},
    };
    for (const auto& [field, value] : cases) {
        Archive archive = Archive{}.file("a").end();
        archive.patch(0, field, value);
        EXPECT_EQ(error_of(archive).code, std::errc::bad_message) << field.offset_bytes;
    }
}

TEST(TarReader, owners_are_what_chown_makes_of_them) {
    EXPECT_EQ(only_entry(with_records({{"uid", "-2"}})).entry.uid, 4294967294U);
    EXPECT_EQ(only_entry(with_records({{"gid", "4294967295"}})).entry.gid, 4294967295U);
    EXPECT_EQ(error_of(with_records({{"uid", "4294967296"}})).code, std::errc::bad_message);
    EXPECT_EQ(error_of(with_records({{"gid", "-2147483649"}})).code, std::errc::bad_message);
}

TEST(TarReader, records_stand_over_the_header) {
    const TarEntry read = only_entry(with_records({{"path", "other/name"},
                                                   {"uid", "3000000"},
                                                   {"gid", "3000001"},
                                                   {"mtime", "1700000000.75"},
                                                   {"uname", "me"},
                                                   {"gname", "us"},
                                                   {"comment", "a=b"},
                                                   {"atime", "not looked at"}}));
    EXPECT_EQ(read.entry.path, "other/name");
    EXPECT_EQ(read.entry.uid, 3000000U);
    EXPECT_EQ(read.entry.gid, 3000001U);
    EXPECT_EQ(read.entry.mtime_s, 1700000000);
    EXPECT_EQ(read.user_name, "me");
    EXPECT_EQ(read.group_name, "us");
}

TEST(TarReader, a_size_record_is_the_payloads_size) {
    Archive archive = Archive{}.raw('x', records({{"size", "3"}})).file("a", "abc");
    archive.patch(1024, tar_format::kSize, "0");
    archive.file("b").end();
    const auto read = read_all(archive.text);
    ASSERT_EQ(read.entries.size(), 2U);
    EXPECT_EQ(read.payloads[0], "abc");
}

TEST(TarReader, times_are_taken_down_to_whole_seconds) {
    const std::pair<std::string_view, std::int64_t> cases[] = {
        {"1.999999999", 1}, {"0.5", 0},   {"-1", -1},  {"-1.0", -1},
        {"-1.5", -2},       {"-0.5", -1}, {"-1.", -1}, {"-1.0000000001", -1},
        {"7.", 7}};
    for (const auto& [text, seconds] : cases) {
        EXPECT_EQ(only_entry(with_records({{"mtime", text}})).entry.mtime_s, seconds) << text;
    }
    for (const std::string_view text : {"1.5e3", "x", ".5", "1.-5", "99999999999999999999"}) {
        EXPECT_EQ(error_of(with_records({{"mtime", text}})).code, std::errc::bad_message) << text;
    }
}

TEST(TarReader, an_empty_record_leaves_the_header) {
    const LayerEntry entry = only_entry(with_records({{"path", ""}, {"uid", ""}})).entry;
    EXPECT_EQ(entry.path, "name");
    EXPECT_EQ(entry.uid, 0U);
}

TEST(TarReader, xattrs_are_sorted_and_the_last_of_a_name_counts) {
    const std::string binary{"\0\1=\n", 4};
    const LayerEntry entry = only_entry(with_records({{"SCHILY.xattr.user.b", "old"},
                                                      {"SCHILY.xattr.user.c", ""},
                                                      {"SCHILY.xattr.security.a", binary},
                                                      {"LIBARCHIVE.xattr.user.z", "eA=="},
                                                      {"SCHILY.xattr.user.b", "new"}}))
                                 .entry;
    ASSERT_EQ(entry.xattrs.size(), 3U);
    EXPECT_EQ(entry.xattrs[0].name, "security.a");
    EXPECT_EQ(entry.xattrs[0].value, binary);
    EXPECT_EQ(entry.xattrs[1].name, "user.b");
    EXPECT_EQ(entry.xattrs[1].value, "new");
    EXPECT_EQ(entry.xattrs[2].name, "user.c");
    EXPECT_EQ(entry.xattrs[2].value, "");
}

TEST(TarReader, malformed_records_are_refused) {
    for (const std::string_view text :
         {"", "x", "7 a=b\n", "5 a=b\n", "6 a=b ", "6 ab=\n6 a", "4 =\n", "5 ab\n", "-6 a=b\n",
          "99999999999999999999999 a=b\n", "0 a=b\n", "1 \n", "2 a=b\n"}) {
        const Archive archive = Archive{}.raw('x', text).file("a").end();
        if (text.empty()) {
            EXPECT_EQ(only_entry(archive).entry.path, "a");
        } else {
            EXPECT_EQ(error_of(archive).code, std::errc::bad_message) << text;
        }
    }
    EXPECT_EQ(error_of(with_records({{"path", std::string_view{"a\0b", 3}}})).code,
              std::errc::bad_message);
    EXPECT_EQ(error_of(with_records({{"uid", "ten"}})).code, std::errc::bad_message);
}

TEST(TarReader, gnu_names_stand_over_records_and_end_at_their_nul) {
    const Archive archive = Archive{}
                                .raw('L', std::string_view{"long\0garbage", 12})
                                .raw('K', "target")
                                .raw('x', records({{"path", "pax"}, {"linkpath", "pax"}}))
                                .raw('2', "")
                                .end();
    const TarEntry read = only_entry(archive);
    EXPECT_EQ(read.entry.path, "long");
    EXPECT_EQ(read.entry.link_target, "target");
    EXPECT_EQ(read.header_offset_bytes, 0U);
}

TEST(TarReader, extension_headers_are_for_one_entry) {
    const auto read = read_all(Archive{}.raw('L', "long").file("a").file("b").end().text);
    ASSERT_EQ(read.entries.size(), 2U);
    EXPECT_EQ(read.entries[1].entry.path, "b");
}

TEST(TarReader, global_records_are_ignored) {
    const Archive archive =
        Archive{}.raw('g', records({{"path", "global"}, {"uid", "5"}})).file("a").end();
    const TarEntry read = only_entry(archive);
    EXPECT_EQ(read.entry.path, "a");
    EXPECT_EQ(read.entry.uid, 0U);
    EXPECT_EQ(read.header_offset_bytes, 1024U);
}

TEST(TarReader, prefixes_are_read_as_their_dialect_has_them) {
    const auto with = [](std::string_view magic, std::string_view prefix) {
        Archive archive = Archive{}.file("name").end();
        archive.patch(0, tar_format::kPrefix, prefix);
        archive.patch(0, tar_format::kMagic, magic);
        return archive;
    };
    const std::string_view gnu{"ustar  \0", 8};
    EXPECT_EQ(only_entry(with({"ustar\00000", 8}, "dir")).entry.path, "dir/name");
    EXPECT_EQ(only_entry(with("", "dir")).entry.path, "name");
    EXPECT_EQ(only_entry(with(gnu, "14000000000")).entry.path, "name");
    // Go before 1.8 put a prefix where GNU has times.
    EXPECT_EQ(only_entry(with(gnu, "some/dir")).entry.path, "some/dir/name");
    EXPECT_EQ(only_entry(with(gnu, "d\xc3\xa9")).entry.path, "name");
    Archive star = with({"ustar\00000", 8}, "dir");
    star.patch(0, tar_format::kStarTrailer, {"tar\0", 4});
    EXPECT_EQ(only_entry(star).entry.path, "dir/name");
}

TEST(TarReader, limits_hold) {
    Archive extension = Archive{}.raw('x', "");
    extension.patch(0, tar_format::kSize, "04000001");  // 1 MiB and one byte
    EXPECT_EQ(error_of(extension).code, std::errc::argument_out_of_domain);
    EXPECT_EQ(error_of(Archive{}.raw('L', std::string(4097, 'a')).file("a")).code,
              std::errc::argument_out_of_domain);
    EXPECT_EQ(error_of(Archive{}.raw('K', std::string(4097, 'a')).raw('2', "")).code,
              std::errc::argument_out_of_domain);
    EXPECT_EQ(error_of(with_records({{"uname", std::string(256, 'u')}})).code,
              std::errc::argument_out_of_domain);
    const std::string value(kXattrBytesMax - 6, 'v');
    EXPECT_EQ(only_entry(with_records({{"SCHILY.xattr.user.a", value}})).entry.xattrs.size(), 1U);
    EXPECT_EQ(error_of(with_records({{"SCHILY.xattr.user.a", value + "v"}})).code,
              std::errc::argument_out_of_domain);
}

TEST(TarReader, an_index_is_all_entries) {
    const Archive archive = Archive{}.file("a", "payload").file("b", "more").end();
    const MemoryAccess access{as_bytes(archive.text)};
    MemorySource source{as_bytes(archive.text)};
    for (const auto& index : {index_tar(access), index_tar(source)}) {
        ASSERT_TRUE(index);
        ASSERT_EQ(index->size(), 2U);
        EXPECT_EQ((*index)[1].entry.path, "b");
        EXPECT_EQ((*index)[1].payload_offset_bytes, 1536U);
    }
    const MemoryAccess cut{as_bytes(archive.text).first(700)};
    EXPECT_TRUE(index_tar(cut));
    EXPECT_FALSE(index_tar(MemoryAccess{as_bytes(archive.text).first(515)}));
}

}  // namespace
}  // namespace lazybuild::codec
