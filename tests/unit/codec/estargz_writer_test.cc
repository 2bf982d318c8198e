// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_writer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <set>

#include "base/file.h"
#include "codec/estargz_footer.h"
#include "codec/estargz_toc.h"
#include "codec/gzip.h"
#include "codec/sha256.h"
#include "estargz_samples.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::codec {
namespace {

using test::noise_bytes;
using test::TarBuilder;
using test::text_bytes;
using test::to_bytes;

struct Written {
    Bytes blob;
    EstargzResult result;
};

Result<Written> write(ByteView tar, const EstargzOptions& options = {}) {
    MemorySink out;
    TRY(EstargzResult result, write_estargz(MemoryAccess{tar}, options, out));
    return Written{.blob = std::move(out).take(), .result = std::move(result)};
}

struct Parsed {
    std::string json;
    std::uint64_t toc_offset_bytes;
    Toc toc;
};

constexpr std::size_t kTocTextBytesMax = 4 << 20;

/// As a reader does it: from the footer.
Result<Parsed> parse(ByteView blob) {
    TRY(auto footer, find_estargz_footer(blob.last(std::min(blob.size(), kEstargzFooterBytesMax))));
    if (!footer || footer->toc_offset_bytes + footer->footer_size_bytes > blob.size()) {
        return fail(corrupt("no footer"));
    }
    const ByteView members =
        blob.first(blob.size() - footer->footer_size_bytes).subspan(footer->toc_offset_bytes);
    TRY(Toc toc, read_toc(members, footer->toc_offset_bytes, std::nullopt));
    TocText text(members);
    Bytes json(kTocTextBytesMax);
    TRY(const std::size_t size, read_full(text, json));
    return Parsed{.json = std::string{as_text(ByteView{json}.first(size))},
                  .toc_offset_bytes = footer->toc_offset_bytes,
                  .toc = std::move(toc)};
}

/// The file put together from its chunks, each read alone and verified.
Result<Bytes> read_file(ByteView blob, const FileTree& tree, std::string_view path) {
    const auto id = tree.find(path);
    if (!id) {
        return fail(invalid("no such file"));
    }
    const Node& node = tree.nodes[*id];
    Bytes content(node.size_bytes);
    Inflater inflater;
    for (std::uint32_t i = 0; i < node.chunk_count; ++i) {
        const Chunk& chunk = tree.chunks[node.first_chunk + i];
        const MutableByteView out =
            MutableByteView{content}.subspan(chunk.file_offset_bytes, chunk.size_bytes);
        CHECK_OK(
            inflater.inflate_range(blob.subspan(chunk.blob_offset_bytes, chunk.blob_size_bytes),
                                   chunk.member_offset_bytes, out));
        if (sha256(out) != chunk.digest) {
            return fail(corrupt("the digest differs"));
        }
    }
    return content;
}

std::vector<std::string> paths_in(ByteView tar) {
    std::vector<std::string> paths;
    for (const TarEntry& entry : index_tar(MemoryAccess{tar}).value()) {
        paths.push_back(entry.entry.path);
    }
    return paths;
}

Bytes gunzip(ByteView blob) {
    return test::zlib_gunzip(blob).value();
}

TEST(WriteEstargz, is_listed_and_unpacked_by_gunzip_and_tar_as_its_source_is) {
    const Bytes tar = test::tar_of_every_type();
    const auto written = write(tar);
    ASSERT_TRUE(written) << written.error().message;
    const lazybuild::test::TempDir directory;
    directory.write("source.tar", as_text(tar));
    directory.write("blob.tar.gz", as_text(written->blob));
    directory.run("gunzip -c blob.tar.gz > blob.tar");
    const std::string own = " --exclude=.no.prefetch.landmark --exclude=stargz.index.json";
    for (const std::string command : {"tar -tv --full-time --xattrs --numeric-owner", "tar -xO"}) {
        directory.run(command + " -f source.tar > expected");
        directory.run(command + own + " -f blob.tar > found");
        EXPECT_FALSE(directory.read("expected").empty());
        EXPECT_EQ(directory.read("found"), directory.read("expected")) << command;
    }
}

/// What the layer holds, read from the tar itself: the same but for places of chunks.
Result<FileTree> tree_of(ByteView tar) {
    FileTreeBuilder builder;
    TRY(std::vector<TarEntry> entries, index_tar(MemoryAccess{tar}));
    for (TarEntry& found : entries) {
        LayerEntry& entry = found.entry;
        if (entry.size_bytes > 0) {
            entry.chunks = {{.size_bytes = entry.size_bytes, .digest = {}}};
        }
        CHECK_OK(builder.add(std::move(entry)));
    }
    return std::move(builder).finish();
}

/// One line for each path, with all that a mount shows of it.
std::vector<std::string> describe(const FileTree& tree, NodeId id, const std::string& path) {
    const Node& node = tree.nodes[id];
    std::string line =
        fmt::format("{} {} {}{} {:o} {}:{} links {} mtime {} size {} dev {}:{} -> {}", path,
                    static_cast<int>(node.type), node.opaque, node.synthesised, node.mode, node.uid,
                    node.gid, node.link_count, node.mtime_s, node.size_bytes, node.device_major,
                    node.device_minor, node.link_target);
    for (const Xattr& xattr : node.xattrs) {
        line += fmt::format(" {}={}", xattr.name, to_hex(as_bytes(xattr.value)));
    }
    std::vector<std::string> lines{line};
    for (const DirectoryEntry& entry : node.entries) {
        std::ranges::move(describe(tree, entry.node, path + "/" + entry.name),
                          std::back_inserter(lines));
    }
    return lines;
}

TEST(WriteEstargz, makes_a_tree_equal_to_that_of_the_tar) {
    const Bytes tar = test::tar_of_every_type();
    const auto expected = tree_of(tar);
    ASSERT_TRUE(expected) << expected.error().message;
    const auto written = write(tar, {.chunk_size_bytes = 4096, .prioritized = {"usr/other-name"}});
    ASSERT_TRUE(written) << written.error().message;
    const auto parsed = parse(written->blob);
    ASSERT_TRUE(parsed) << parsed.error().message;
    const auto lines = describe(parsed->toc.tree, kRootNode, "");
    EXPECT_EQ(lines, describe(*expected, kRootNode, ""));
    EXPECT_EQ(lines.size(), 16);
}

TEST(WriteEstargz, says_the_digests_and_sizes_of_what_it_wrote) {
    const Bytes tar = test::tar_of_every_type();
    const auto written = write(tar);
    ASSERT_TRUE(written) << written.error().message;
    const Bytes uncompressed = gunzip(written->blob);
    EXPECT_EQ(written->result.blob, sha256(written->blob));
    EXPECT_EQ(written->result.blob_size_bytes, written->blob.size());
    EXPECT_EQ(written->result.diff_id, sha256(uncompressed));
    EXPECT_EQ(written->result.uncompressed_size_bytes, uncompressed.size());
    const auto parsed = parse(written->blob);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(written->result.toc, sha256(as_bytes(parsed->json)));
}

TEST(WriteEstargz, lets_every_chunk_be_read_alone) {
    constexpr std::uint64_t kChunk = 4096;
    TarBuilder tar;
    std::vector<std::pair<std::string, Bytes>> files;
    unsigned seed = 0;
    for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{511},
                                     std::uint64_t{512}, std::uint64_t{513}, kChunk - 1, kChunk,
                                     kChunk + 1, 2 * kChunk, 3 * kChunk + 17, 100 * kChunk}) {
        files.emplace_back("text" + std::to_string(size), text_bytes(size, ++seed));
        files.emplace_back("noise" + std::to_string(size), noise_bytes(size, ++seed));
    }
    for (const auto& [path, content] : files) {
        tar.add_file(path, content);
    }
    for (int level = kMemberLevelMin; level <= kMemberLevelMax; ++level) {
        const auto written = write(
            tar.finish(),
            {.level = level, .chunk_size_bytes = kChunk, .prioritized = {"noise513", "text12305"}});
        ASSERT_TRUE(written) << written.error().message;
        const auto parsed = parse(written->blob);
        ASSERT_TRUE(parsed) << parsed.error().message;
        for (const auto& [path, content] : files) {
            const auto read = read_file(written->blob, parsed->toc.tree, path);
            ASSERT_TRUE(read) << path << ": " << read.error().message;
            EXPECT_TRUE(*read == content) << path;
        }
    }
}

TEST(WriteEstargz, starts_members_where_the_format_says) {
    TarBuilder tar;
    tar.add_directory("d/");
    tar.add_file("d/empty", {});
    tar.add_file("d/large", noise_bytes(10'000, 1));
    tar.add_file("d/small", as_bytes("small"));
    const auto written = write(tar.finish(), {.chunk_size_bytes = 4096});
    ASSERT_TRUE(written) << written.error().message;
    const auto parsed = parse(written->blob);
    ASSERT_TRUE(parsed) << parsed.error().message;

    std::set<std::uint64_t> expected{0, parsed->toc_offset_bytes,
                                     written->blob.size() - kEstargzFooterBytesMax};
    for (const Chunk& chunk : parsed->toc.tree.chunks) {
        expected.insert(chunk.blob_offset_bytes);
        EXPECT_EQ(chunk.member_offset_bytes, 0);
    }
    std::vector<std::uint64_t> starts;
    GzipStream stream({.on_member = [&starts](std::uint64_t offset_bytes) -> Result<void> {
        starts.push_back(offset_bytes);
        return {};
    }});
    MemorySink out;
    ASSERT_TRUE(stream.push(written->blob, out));
    ASSERT_TRUE(stream.finish());
    // One more than in the tree: the landmark's.
    EXPECT_EQ(starts.size(), expected.size() + 1);
    for (const std::uint64_t start : expected) {
        EXPECT_TRUE(std::ranges::binary_search(starts, start)) << start;
    }
}

TEST(WriteEstargz, marks_that_nothing_is_prioritized) {
    const auto written = write(TarBuilder{}.add_file("a", as_bytes("a")).finish());
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(paths_in(gunzip(written->blob)),
              (std::vector<std::string>{".no.prefetch.landmark", "a", "stargz.index.json"}));
    const auto parsed = parse(written->blob);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->toc.prefetch_end_bytes, std::nullopt);
}

TEST(WriteEstargz, puts_prioritized_files_in_front_of_the_landmark) {
    TarBuilder tar;
    tar.add_directory("d/").add_file("a", as_bytes("a")).add_file("d/b", as_bytes("b"));
    tar.add_file("d/c", as_bytes("c"));
    const auto written =
        write(tar.finish(), {.prioritized = {"/d/c", "missing", "d/b", "also/missing"}});
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(paths_in(gunzip(written->blob)),
              (std::vector<std::string>{"d/", "d/c", "d/b", ".prefetch.landmark", "a",
                                        "stargz.index.json"}));
    EXPECT_EQ(written->result.prioritized_missing,
              (std::vector<std::string>{"missing", "also/missing"}));
    const auto parsed = parse(written->blob);
    ASSERT_TRUE(parsed) << parsed.error().message;
    const FileTree& tree = parsed->toc.tree;
    const auto offset_of = [&tree](std::string_view path) {
        return tree.chunks[tree.nodes[*tree.find(path)].first_chunk].blob_offset_bytes;
    };
    ASSERT_TRUE(parsed->toc.prefetch_end_bytes);
    EXPECT_LT(offset_of("d/c"), offset_of("d/b"));
    EXPECT_LT(offset_of("d/b"), *parsed->toc.prefetch_end_bytes);
    EXPECT_GT(offset_of("a"), *parsed->toc.prefetch_end_bytes);
    // All of what is prioritised lies in the prefetch range.
    EXPECT_TRUE(
        read_file(ByteView{written->blob}.first(*parsed->toc.prefetch_end_bytes), tree, "d/b"));
}

TEST(WriteEstargz, converts_its_own_output_to_the_same_blob) {
    const Bytes tar = test::tar_of_every_type();
    const auto once = write(tar, {.prioritized = {"old"}});
    ASSERT_TRUE(once);
    const auto plain = write(tar);
    ASSERT_TRUE(plain);
    const auto again = write(gunzip(plain->blob), {.prioritized = {"old"}});
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_TRUE(again->blob == once->blob);
}

TEST(WriteEstargz, is_deterministic) {
    TarBuilder tar;
    for (unsigned i = 0; i < 50; ++i) {
        tar.add_file("file" + std::to_string(i), text_bytes(i * 3000, i));
    }
    const Bytes bytes = tar.finish();
    const auto first = write(bytes);
    const auto second = write(bytes);
    ASSERT_TRUE(first && second);
    EXPECT_TRUE(first->blob == second->blob);
}

TEST(WriteEstargz, keeps_the_last_of_equal_paths) {
    TarBuilder tar;
    tar.add_file("a", as_bytes("old"))
        .add_file("b", as_bytes("b"))
        .add_file("./a", as_bytes("new"));
    const auto written = write(tar.finish());
    ASSERT_TRUE(written);
    const auto parsed = parse(written->blob);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(read_file(written->blob, parsed->toc.tree, "a"), to_bytes("new"));
    EXPECT_EQ(paths_in(gunzip(written->blob)).size(), 4);
}

TEST(WriteEstargz, copies_headers_byte_by_byte) {
    // A header that we would write otherwise: version 7 of Unix, with a time in the odd places.
    Bytes tar = TarBuilder{}.add_file("a", as_bytes("content")).finish();
    std::ranges::fill(MutableByteView{tar}.subspan(257, 255), std::byte{0});
    unsigned sum = 0;
    for (std::size_t i = 0; i < 512; ++i) {
        sum += i >= 148 && i < 156 ? ' ' : std::to_integer<unsigned>(tar[i]);
    }
    std::snprintf(reinterpret_cast<char*>(&tar[148]), 8, "%6o", sum);
    const auto written = write(tar);
    ASSERT_TRUE(written) << written.error().message;
    const Bytes inside = gunzip(written->blob);
    const ByteView header = ByteView{tar}.first(512);
    EXPECT_FALSE(std::ranges::search(inside, header).empty());
}

/// Offsets depend on the compressor.
std::string without_offsets(std::string json) {
    constexpr std::string_view kKey = "\"offset\": ";
    for (std::size_t at = 0; (at = json.find(kKey, at)) != std::string::npos;) {
        at += kKey.size();
        json.replace(at, json.find_first_of(",\n", at) - at, "N");
    }
    return json;
}

TEST(WriteEstargz, writes_the_toc_that_other_readers_know) {
    TarBuilder tar;
    TarEntry directory = test::tar_entry(FileType::directory, "d/");
    directory.user_name = "root";
    directory.group_name = "root";
    tar.add(directory);
    TarEntry file = test::tar_entry(FileType::regular, "d/f");
    file.user_name = "root";
    file.group_name = "wheel";
    file.entry.xattrs = {{.name = "user.a", .value = "b"}};
    tar.add_file(file, Bytes(2 * 4096));
    TarEntry other = test::tar_entry(FileType::symlink, "d/s");
    other.entry.link_target = "f";
    other.entry.uid = 7;
    other.entry.mtime_s = 0;
    other.user_name = "root";
    other.group_name = "root";
    tar.add(other);
    const auto written = write(tar.finish(), {.chunk_size_bytes = 4096});
    ASSERT_TRUE(written) << written.error().message;
    const auto parsed = parse(written->blob);
    ASSERT_TRUE(parsed) << parsed.error().message;
    const std::string json = without_offsets(parsed->json);
    const std::string zeros = sha256(Bytes(4096)).text();
    const std::string landmark = sha256(Bytes{std::byte{0x0f}}).text();
    EXPECT_EQ(json, R"({
	"version": 1,
	"entries": [
		{
			"name": ".no.prefetch.landmark",
			"type": "reg",
			"size": 1,
			"mode": 420,
			"offset": N,
			"digest": ")" +
                        landmark + R"(",
			"chunkDigest": ")" +
                        landmark + R"("
		},
		{
			"name": "d/",
			"type": "dir",
			"modtime": "2023-11-14T22:13:20Z",
			"mode": 493,
			"userName": "root",
			"groupName": "root"
		},
		{
			"name": "d/f",
			"type": "reg",
			"size": 8192,
			"modtime": "2023-11-14T22:13:20Z",
			"mode": 420,
			"groupName": "wheel",
			"offset": N,
			"xattrs": {
				"user.a": "Yg=="
			},
			"digest": ")" +
                        sha256(Bytes(8192)).text() + R"(",
			"chunkSize": 4096,
			"chunkDigest": ")" +
                        zeros + R"("
		},
		{
			"name": "d/f",
			"type": "chunk",
			"offset": N,
			"chunkOffset": 4096,
			"chunkSize": 4096,
			"chunkDigest": ")" +
                        zeros + R"("
		},
		{
			"name": "d/s",
			"type": "symlink",
			"linkName": "f",
			"mode": 420,
			"uid": 7,
			"userName": "root",
			"groupName": "root"
		}
	]
})");
}

// The blob was made by stargz-snapshotter's own library (0.12, chunks of 4096 bytes, usr/bin/hi
// prioritised): it is read, and its tar makes the same TOC here.
TEST(WriteEstargz, agrees_with_stargz_snapshotter) {
    const std::filesystem::path corpus{LAZYBUILD_SOURCE_DIR "/tests/fuzz/corpus"};
    const auto file = lazybuild::read_file(corpus / "estargz_footer_toc/upstream-writer.tar.gz",
                                           std::uint64_t{1} << 20);
    ASSERT_TRUE(file) << file.error().message;
    const ByteView theirs = as_bytes(*file);
    const auto expected = parse(theirs);
    ASSERT_TRUE(expected) << expected.error().message;
    EXPECT_TRUE(expected->toc.prefetch_end_bytes);
    EXPECT_EQ(read_file(theirs, expected->toc.tree, "usr/bin/hello"),
              to_bytes("#!/bin/sh\necho hello\n"));
    const auto numbers = read_file(theirs, expected->toc.tree, "etc/numbers");
    ASSERT_TRUE(numbers) << numbers.error().message;
    EXPECT_EQ(numbers->size(), 6393);

    const auto ours =
        write(gunzip(theirs), {.chunk_size_bytes = 4096, .prioritized = {"usr/bin/hi"}});
    ASSERT_TRUE(ours) << ours.error().message;
    const auto found = parse(ours->blob);
    ASSERT_TRUE(found) << found.error().message;
    std::string json = without_offsets(found->json);
    // The one difference: their landmark has no permissions at all.
    const std::size_t landmark = json.find(kPrefetchLandmark);
    json.erase(json.find("\t\t\t\"mode\": 420,\n", landmark), 16);
    EXPECT_EQ(json, without_offsets(expected->json));
}

TEST(WriteEstargz, omits_the_size_of_a_last_chunk_that_is_not_full) {
    const auto written =
        write(TarBuilder{}.add_file("f", Bytes(4097)).finish(), {.chunk_size_bytes = 4096});
    ASSERT_TRUE(written);
    const auto parsed = parse(written->blob);
    ASSERT_TRUE(parsed) << parsed.error().message;
    const std::size_t sized = parsed->json.find("\"chunkSize\": 4096");
    ASSERT_NE(sized, std::string::npos);
    EXPECT_EQ(parsed->json.find("\"chunkSize\"", sized + 1), std::string::npos);
}

TEST(WriteEstargz, makes_a_layer_of_an_empty_tar) {
    const auto written = write(TarBuilder{}.finish());
    ASSERT_TRUE(written) << written.error().message;
    const auto parsed = parse(written->blob);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_TRUE(parsed->toc.tree.root().entries.empty());
}

TEST(WriteEstargz, says_the_exact_bytes_of_names_that_are_not_utf8) {
    const std::string large(9000, 'x');  // of more than one chunk
    TarEntry link = test::tar_entry(FileType::symlink, "l\xfe");
    link.entry.link_target = "gr\xfcn/\xff";
    const auto written = write(TarBuilder{}
                                   .add_file("gr\xfcn", as_bytes(large))
                                   .add_file("gr\xef\xbf\xbdn", as_bytes("y"))
                                   .add(test::hard_link("hard", "gr\xfcn"))
                                   .add(link)
                                   .finish(),
                               {.chunk_size_bytes = 4096});
    ASSERT_TRUE(written) << written.error().message;
    const auto parsed = parse(written->blob);
    ASSERT_TRUE(parsed) << parsed.error().message;
    const FileTree& tree = parsed->toc.tree;
    ASSERT_TRUE(tree.find("gr\xfcn") && tree.find("gr\xef\xbf\xbdn") && tree.find("l\xfe"));
    EXPECT_EQ(tree.nodes[*tree.find("gr\xfcn")].size_bytes, large.size());
    EXPECT_EQ(tree.find("hard"), tree.find("gr\xfcn"));
    EXPECT_EQ(tree.nodes[*tree.find("l\xfe")].link_target, "gr\xfcn/\xff");
}

TEST(WriteEstargz, rejects_options_out_of_range) {
    const Bytes tar = TarBuilder{}.finish();
    for (const EstargzOptions& options :
         {EstargzOptions{.level = -1}, EstargzOptions{.level = kMemberLevelMax + 1},
          EstargzOptions{.chunk_size_bytes = 0}, EstargzOptions{.chunk_size_bytes = 4095},
          EstargzOptions{.chunk_size_bytes = kChunkBytesMax + 1}}) {
        const auto written = write(tar, options);
        ASSERT_FALSE(written);
        EXPECT_EQ(written.error().code, std::errc::invalid_argument);
    }
}

TEST(WriteEstargz, rejects_a_broken_tar) {
    Bytes tar = TarBuilder{}.add_file("a", text_bytes(5000, 1)).finish();
    EXPECT_FALSE(write(ByteView{tar}.first(3000)));
    tar[5] ^= std::byte{1};
    EXPECT_FALSE(write(tar));
    EXPECT_FALSE(write(TarBuilder{}.add(test::hard_link("l", "missing")).finish()));
}

TEST(WriteEstargz, passes_on_the_error_of_its_sink) {
    class FullSink final : public ByteSink {
      public:
        Result<void> write(ByteView bytes) override {
            room_ -= static_cast<int>(bytes.size());
            return room_ < 0 ? fail(Error{std::errc::no_space_on_device, "full"}) : Result<void>{};
        }

      private:
        int room_ = 5000;
    } full;
    const Bytes tar = TarBuilder{}.add_file("a", noise_bytes(100'000, 1)).finish();
    const auto result = write_estargz(MemoryAccess{tar}, {}, full);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, std::errc::no_space_on_device);
}

}  // namespace
}  // namespace lazybuild::codec
