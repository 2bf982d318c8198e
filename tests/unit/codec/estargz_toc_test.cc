// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_toc.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codec/sha256.h"
#include "codec/tar.h"
#include "estargz_samples.h"

namespace lazybuild::codec {
namespace {

constexpr std::uint64_t kTocOffset = 1'000'000;

std::string digest_of(std::string_view content) {
    return sha256(as_bytes(content)).text();
}

Result<Toc> parse(const std::vector<std::string>& entries) {
    std::string json = R"({"version":1,"entries":[)";
    for (const std::string& entry : entries) {
        json += (json.ends_with('[') ? "{" : ",{") + entry + "}";
    }
    json += "]}";
    MemorySource text(as_bytes(json));
    return parse_toc(text, kTocOffset);
}

/// The members of a one-chunk file; `rest` is appended.
std::string file(std::string_view name, std::uint64_t size, std::uint64_t offset,
                 std::string_view rest = "") {
    return fmt::format(
        R"("name":"{}","type":"reg","size":{},"offset":{},"digest":"{}","chunkDigest":"{}"{})",
        name, size, offset, digest_of(name), digest_of(name), rest);
}

/// The first chunk of a larger file, and a further one.
std::string large_file(std::string_view name, std::uint64_t size, std::uint64_t offset,
                       std::uint64_t chunk_size) {
    return fmt::format(
        R"("name":"{}","type":"reg","size":{},"offset":{},"digest":"{}","chunkSize":{},"chunkDigest":"{}")",
        name, size, offset, digest_of("whole"), chunk_size, digest_of("first"));
}
std::string chunk(std::string_view name, std::uint64_t offset, std::uint64_t chunk_offset,
                  std::uint64_t chunk_size) {
    return fmt::format(
        R"("name":"{}","type":"chunk","offset":{},"chunkOffset":{},"chunkSize":{},"chunkDigest":"{}")",
        name, offset, chunk_offset, chunk_size, digest_of(fmt::to_string(chunk_offset)));
}

const Node* find(const Toc& toc, std::string_view path) {
    const auto node = toc.tree.find(path);
    return node ? &toc.tree.nodes[*node] : nullptr;
}

void expect_refused(const std::vector<std::string>& entries, std::string_view reason,
                    std::errc code = std::errc::bad_message) {
    const auto toc = parse(entries);
    ASSERT_FALSE(toc) << entries.back();
    EXPECT_EQ(toc.error().code, code) << toc.error().message;
    EXPECT_NE(toc.error().message.find(reason), std::string::npos) << toc.error().message;
}

TEST(ParseToc, reads_attributes) {
    const auto toc = parse({R"("name":"d/","type":"dir","mode":17407,"uid":1,"gid":2,
        "modtime":"2026-01-02T03:04:05Z","userName":"u","xattrs":{"user.b":"eA==","user.a":"AA=="})",
                            R"("name":"d/l","type":"symlink","linkName":"../t","mode":511)",
                            R"("name":"d/c","type":"char","devMajor":1,"devMinor":3)",
                            R"("name":"d/b","type":"block","devMajor":8)",
                            R"("name":"d/f","type":"fifo","mode":33188)"});
    ASSERT_TRUE(toc) << toc.error().message;
    const Node* directory = find(*toc, "d");
    ASSERT_NE(directory, nullptr);
    EXPECT_EQ(directory->mode, 01777);
    EXPECT_EQ(directory->uid, 1);
    EXPECT_EQ(directory->gid, 2);
    EXPECT_EQ(directory->mtime_s, 1767323045);
    ASSERT_EQ(directory->xattrs.size(), 2);
    EXPECT_EQ(directory->xattrs[0].name, "user.a");
    EXPECT_EQ(directory->xattrs[0].value, std::string(1, '\0'));
    EXPECT_EQ(find(*toc, "d/l")->link_target, "../t");
    EXPECT_EQ(find(*toc, "d/c")->type, FileType::character);
    EXPECT_EQ(find(*toc, "d/c")->device_minor, 3);
    EXPECT_EQ(find(*toc, "d/b")->type, FileType::block);
    EXPECT_EQ(find(*toc, "d/f")->type, FileType::fifo);
    EXPECT_EQ(find(*toc, "d/f")->mode, 0644);
}

TEST(ParseToc, makes_parents_and_a_root_that_are_missing) {
    const auto toc = parse({file("a/b/c", 1, 100)});
    ASSERT_TRUE(toc) << toc.error().message;
    EXPECT_TRUE(find(*toc, "a/b")->synthesised);
    EXPECT_EQ(toc->tree.root().type, FileType::directory);
}

TEST(ParseToc, resolves_hard_links) {
    const auto toc = parse({file("./a", 1, 100), R"("name":"b","type":"hardlink","linkName":"/a")",
                            R"("name":"c","type":"hardlink","linkName":"b")"});
    ASSERT_TRUE(toc) << toc.error().message;
    EXPECT_EQ(toc->tree.find("c"), toc->tree.find("a"));
    EXPECT_EQ(find(*toc, "a")->link_count, 3);
}

TEST(ParseToc, reads_a_file_of_one_chunk) {
    const auto toc = parse({file("a", 5, 100, R"(,"innerOffset":7)")});
    ASSERT_TRUE(toc) << toc.error().message;
    ASSERT_EQ(toc->tree.chunks.size(), 1);
    const Chunk& chunk = toc->tree.chunks[0];
    EXPECT_EQ(chunk.size_bytes, 5);
    EXPECT_EQ(chunk.blob_offset_bytes, 100);
    EXPECT_EQ(chunk.member_offset_bytes, 7);
    EXPECT_EQ(chunk.digest.text(), digest_of("a"));
}

TEST(ParseToc, reads_a_file_of_several_chunks) {
    const auto toc = parse({large_file("big", 25, 100, 10), chunk("big", 200, 10, 10),
                            chunk("big", 300, 20, 0), file("next", 1, 400)});
    ASSERT_TRUE(toc) << toc.error().message;
    const Node* big = find(*toc, "big");
    ASSERT_EQ(big->chunk_count, 3);
    const Chunk* chunks = &toc->tree.chunks[big->first_chunk];
    EXPECT_EQ(chunks[0].size_bytes, 10);
    EXPECT_EQ(chunks[0].digest.text(), digest_of("first"));
    EXPECT_EQ(chunks[2].file_offset_bytes, 20);
    EXPECT_EQ(chunks[2].size_bytes, 5);
    EXPECT_EQ(chunks[2].blob_offset_bytes, 300);
}

TEST(ParseToc, knows_what_it_says_of_a_files_content) {
    const auto toc = parse({large_file("big", 20, 100, 10), chunk("big", 200, 10, 10),
                            file("one", 5, 300), R"("name":"none","type":"reg")",
                            R"("name":"silent","type":"reg","size":2,"offset":400,"chunkSize":1,)"
                            R"("digest":"md5:1","chunkDigest":")" +
                                digest_of("s") + '"',
                            chunk("silent", 401, 1, 1)});
    ASSERT_TRUE(toc) << toc.error().message;
    EXPECT_EQ(find(*toc, "big")->content.text(), digest_of("whole"));
    EXPECT_EQ(find(*toc, "one")->content.text(), digest_of("one"));
    EXPECT_EQ(find(*toc, "none")->content.text(), digest_of(""));
    EXPECT_EQ(find(*toc, "silent")->content, Digest{});
}

TEST(ParseToc, gives_empty_files_no_chunks) {
    const auto toc = parse({R"("name":"a","type":"reg","digest":")" + digest_of("") + '"',
                            R"("name":"b","type":"reg")"});
    ASSERT_TRUE(toc) << toc.error().message;
    EXPECT_EQ(find(*toc, "a")->chunk_count, 0);
    EXPECT_EQ(find(*toc, "b")->size_bytes, 0);
}

TEST(ParseToc, ends_members_at_the_next_one) {
    // Out of order, one offset shared, the last up to the TOC, the landmark's a member too.
    const auto toc =
        parse({file("last", 1, 5000), file("first", 1, 100), file("shared", 1, 300),
               file("sharer", 1, 300, R"(,"innerOffset":1)"), file(".prefetch.landmark", 1, 800)});
    ASSERT_TRUE(toc) << toc.error().message;
    const auto size_of = [&](std::string_view path) {
        return toc->tree.chunks[find(*toc, path)->first_chunk].blob_size_bytes;
    };
    EXPECT_EQ(size_of("first"), 200);
    EXPECT_EQ(size_of("shared"), 500);
    EXPECT_EQ(size_of("sharer"), 500);
    EXPECT_EQ(size_of("last"), kTocOffset - 5000);
}

TEST(ParseToc, hides_landmarks_and_says_where_prefetching_ends) {
    const auto toc = parse({file("a", 1, 100), file("./.prefetch.landmark", 1, 200),
                            file("d/.prefetch.landmark", 1, 300)});
    ASSERT_TRUE(toc) << toc.error().message;
    EXPECT_EQ(toc->prefetch_end_bytes, 200);
    EXPECT_EQ(find(*toc, ".prefetch.landmark"), nullptr);
    EXPECT_NE(find(*toc, "d/.prefetch.landmark"), nullptr);
    const auto none = parse({file(".no.prefetch.landmark", 1, 200)});
    ASSERT_TRUE(none);
    EXPECT_EQ(none->prefetch_end_bytes, std::nullopt);
    EXPECT_EQ(find(*none, ".no.prefetch.landmark"), nullptr);
}

TEST(ParseToc, lets_a_later_entry_replace_an_earlier_one) {
    const auto toc = parse({file("a", 1, 100), file("a", 2, 200)});
    ASSERT_TRUE(toc) << toc.error().message;
    EXPECT_EQ(find(*toc, "a")->size_bytes, 2);
}

TEST(ParseToc, takes_the_file_digest_for_that_of_its_one_chunk) {
    const auto toc =
        parse({R"("name":"a","type":"reg","size":1,"offset":9,"digest":")" + digest_of("x") + '"'});
    ASSERT_TRUE(toc) << toc.error().message;
    EXPECT_EQ(toc->tree.chunks[0].digest.text(), digest_of("x"));
}

TEST(ParseToc, rejects_files_that_cannot_be_verified) {
    expect_refused({R"("name":"the file","type":"reg","size":1,"offset":9)"}, "the file");
    expect_refused({R"("name":"a","type":"reg","size":1,"offset":9)"}, "cannot be verified");
    expect_refused({large_file("a", 20, 100, 10),
                    R"("name":"a","type":"chunk","offset":200,"chunkOffset":10)"},
                   "cannot be verified");
    expect_refused({R"("name":"a","type":"reg","size":1,"offset":9,"chunkDigest":"md5:1")"},
                   "digest");
    expect_refused({R"("name":"a","type":"reg","size":1,"offset":9,"digest":"nonsense")"},
                   "digest");
}

TEST(ParseToc, rejects_a_file_digest_that_contradicts_its_one_chunk) {
    expect_refused({R"("name":"a","type":"reg","size":1,"offset":9,"digest":")" + digest_of("x") +
                    R"(","chunkDigest":")" + digest_of("y") + '"'},
                   "differ");
}

TEST(ParseToc, rejects_chunks_that_do_not_cover_their_file) {
    expect_refused({large_file("a", 30, 100, 10)}, "do not cover");
    expect_refused({large_file("a", 30, 100, 10), file("b", 1, 200)}, "do not cover");
    expect_refused({large_file("a", 30, 100, 10), chunk("a", 200, 20, 10)}, "gap");
    expect_refused({large_file("a", 30, 100, 10), chunk("a", 200, 5, 10)}, "gap");
    expect_refused({large_file("a", 30, 100, 10), chunk("a", 200, 0, 10)}, "gap");
    expect_refused({large_file("a", 30, 100, 10), chunk("a", 200, 10, 21)}, "past the end");
    expect_refused({large_file("a", 10, 100, 11)}, "past the end");
    expect_refused({large_file("a", 20, 100, 10), chunk("a", 200, 10, 10), chunk("a", 300, 20, 1)},
                   "gap");
    expect_refused({file("a", 0, 100), chunk("a", 200, 0, 1)}, "gap");
}

TEST(ParseToc, rejects_chunks_without_their_file) {
    expect_refused({chunk("a", 200, 0, 10)}, "follow");
    expect_refused({large_file("a", 20, 100, 10), chunk("b", 200, 10, 10)}, "follow");
    expect_refused(
        {large_file("a", 20, 100, 10), R"("name":"d","type":"dir")", chunk("a", 200, 10, 10)},
        "do not cover");
    expect_refused({R"("name":"d","type":"dir")", chunk("d", 200, 0, 10)}, "follow");
}

TEST(ParseToc, limits_the_size_of_a_chunk) {
    const auto fine = parse({file("a", kChunkBytesMax, 100)});
    EXPECT_TRUE(fine) << fine.error().message;
    expect_refused({file("a", kChunkBytesMax + 1, 100)}, "limit",
                   std::errc::argument_out_of_domain);
}

TEST(ParseToc, rejects_offsets_outside_of_the_data) {
    expect_refused({file("a", 1, kTocOffset)}, "behind");
    expect_refused({file("a", 1, 0)}, "no offset");
    EXPECT_TRUE(parse({file("a", 1, kTocOffset - 1)}));
    EXPECT_TRUE(parse({file("a", 1, 0, R"(,"innerOffset":512)")}));
}

TEST(ParseToc, rejects_more_bytes_than_a_member_can_hold) {
    expect_refused({file("a", 20'000, 100), file("b", 1, 110)}, "cannot be in the member");
    expect_refused({file("a", 1, 100, R"(,"innerOffset":9223372036854775807)")},
                   "cannot be in the member");
}

TEST(ParseToc, rejects_entries_that_make_no_sense) {
    expect_refused({R"("name":"a")"}, "unknown type");
    expect_refused({R"("name":"a","type":"socket")"}, "unknown type \"socket\"");
    expect_refused({R"("name":"a","type":"dir","modtime":"yesterday")"}, "yesterday");
    expect_refused({R"("name":"a","type":"dir","uid":4294967296)"}, "out of range");
    expect_refused({R"("name":"a","type":"char","devMajor":4294967296)"}, "out of range");
    expect_refused({R"("name":"a","type":"hardlink","linkName":"b")"}, "");
    expect_refused({R"("name":"a\u0000b","type":"dir")"}, "");
    expect_refused({file("stargz.index.json", 1, 100)}, "lists itself");
}

TEST(ParseToc, passes_on_the_limits_of_the_tree) {
    expect_refused({R"("name":")" + std::string(kNameBytesMax + 1, 'x') + R"(","type":"dir")"}, "",
                   std::errc::argument_out_of_domain);
}

Bytes toc_members(std::string_view json, std::string_view name = kTocName) {
    test::TarBuilder tar;
    tar.add_file(std::string{name}, as_bytes(json));
    return test::zlib_gzip(tar.finish());
}

Result<Bytes> text_of(ByteView members) {
    TocText text(members);
    MemorySink json;
    Bytes piece(7);
    for (std::size_t count = 1; count > 0;) {
        TRY(count, text.read(piece));
        CHECK_OK(json.write(ByteView{piece}.first(count)));
    }
    EXPECT_EQ(text.digest(), sha256(json.bytes()));
    return std::move(json).take();
}

TEST(TocText, gives_the_json_as_it_is) {
    const std::string json = R"({"version":1,"entries":[]})"
                             "\n ";
    const auto bytes = text_of(toc_members(json));
    ASSERT_TRUE(bytes) << bytes.error().message;
    EXPECT_EQ(as_text(*bytes), json);
}

TEST(TocText, takes_a_toc_of_several_members) {
    test::TarBuilder tar;
    tar.add_file(std::string{kTocName}, as_bytes("{}"));
    const Bytes plain = tar.finish();
    Bytes members = test::zlib_gzip(ByteView{plain}.first(512));
    test::append(members, test::zlib_gzip(ByteView{plain}.subspan(512)));
    EXPECT_TRUE(text_of(members));
}

TEST(TocText, rejects_other_files) {
    EXPECT_FALSE(text_of(toc_members("{}", "other.json")));
    EXPECT_FALSE(text_of(toc_members("{}", "d/stargz.index.json")));
    const auto entry = [](FileType type) {
        test::TarBuilder tar;
        TarEntry made = test::tar_entry(type, std::string{kTocName});
        made.entry.link_target = type == FileType::symlink ? "x" : "";
        return test::zlib_gzip(tar.add(made).finish());
    };
    EXPECT_FALSE(text_of(entry(FileType::symlink)));
    EXPECT_FALSE(text_of(entry(FileType::fifo)));
    EXPECT_FALSE(text_of(test::zlib_gzip(test::TarBuilder{}.finish())));
}

TEST(TocText, rejects_a_second_file) {
    test::TarBuilder tar;
    tar.add_file(std::string{kTocName}, as_bytes("{}")).add_file("more", as_bytes("x"));
    EXPECT_FALSE(text_of(test::zlib_gzip(tar.finish())));
}

TEST(TocText, rejects_members_cut_off_or_broken) {
    const Bytes good = toc_members(R"({"version":1,"entries":[]})");
    for (std::size_t size = 0; size < good.size(); ++size) {
        EXPECT_FALSE(text_of(ByteView{good}.first(size))) << size;
    }
    Bytes bad = good;
    bad[bad.size() - 6] ^= std::byte{1};
    EXPECT_FALSE(text_of(bad));
}

TEST(TocText, stops_what_grows_out_of_proportion) {
    const auto bomb = text_of(toc_members(std::string(20'000'000, ' ')));
    ASSERT_FALSE(bomb);
    EXPECT_EQ(bomb.error().code, std::errc::argument_out_of_domain);
    // The same as zeros behind the end of the archive.
    Bytes members = toc_members("{}");
    test::append(members, test::zlib_gzip(Bytes(20'000'000)));
    const auto tail = text_of(members);
    ASSERT_FALSE(tail);
    EXPECT_EQ(tail.error().code, std::errc::argument_out_of_domain);
}

TEST(ReadToc, takes_only_the_table_that_was_asked_for) {
    const std::string json = R"({"version":1,"entries":[]})";
    const Bytes members = toc_members(json);
    EXPECT_TRUE(read_toc(members, kTocOffset, std::nullopt));
    EXPECT_TRUE(read_toc(members, kTocOffset, sha256(as_bytes(json))));
    const auto other = read_toc(members, kTocOffset, sha256(as_bytes("other")));
    ASSERT_FALSE(other);
    EXPECT_TRUE(other.error().message.contains(digest_of(json))) << other.error().message;
}

TEST(ReadToc, says_that_it_is_another_table_before_it_says_what_is_wrong_with_it) {
    const auto other = read_toc(toc_members("no JSON"), kTocOffset, sha256(as_bytes("other")));
    ASSERT_FALSE(other);
    EXPECT_TRUE(other.error().message.contains("the manifest says")) << other.error().message;
    const auto same = read_toc(toc_members("no JSON"), kTocOffset, sha256(as_bytes("no JSON")));
    ASSERT_FALSE(same);
    EXPECT_FALSE(same.error().message.contains("the manifest says")) << same.error().message;
}

TEST(ReadToc, says_of_members_that_are_broken_that_they_are) {
    Bytes members = toc_members(R"({"version":1,"entries":[]})");
    members[members.size() - 6] ^= std::byte{1};
    const auto toc = read_toc(members, kTocOffset, sha256(as_bytes("x")));
    ASSERT_FALSE(toc);
    EXPECT_FALSE(toc.error().message.contains("the manifest says")) << toc.error().message;
}

}  // namespace
}  // namespace lazybuild::codec
