// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/disk_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <semaphore>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "codec/estargz_footer.h"
#include "codec/estargz_toc.h"
#include "codec/estargz_writer.h"
#include "codec/sha256.h"
#include "codec/tar.h"
#include "codec/tree_digest.h"
#include "codec/tree_index.h"
#include "codec/tree_tar.h"
#include "snapshotter/io/pool.h"
#include "tests/support/temp_dir.h"

namespace lazybuild::store {
namespace {

using codec::FileType;
using codec::LayerEntry;

struct Sample {
    LayerEntry entry;
    std::string content;
};

Sample file(std::string path, std::string content) {
    return {.entry = {.path = std::move(path), .mode = 0644, .size_bytes = content.size()},
            .content = content};
}

std::string text(std::size_t size_bytes, unsigned seed) {
    std::string made(size_bytes, '\0');
    for (std::size_t i = 0; i < made.size(); ++i) {
        made[i] = static_cast<char>((i * 7 + i / 251 + seed) & 0xff);
    }
    return made;
}

/// Small, large and empty files, so that batches end before, in and after each kind.
std::vector<Sample> many() {
    std::vector<Sample> samples;
    for (unsigned i = 0; i < 600; ++i) {
        samples.push_back(file("f" + std::to_string(i), text((i * 9973U) % 40'000, i)));
    }
    samples.push_back(file("large", text(5'000'001, 1)));
    samples.push_back(file("limit", text(1 << 20, 2)));
    samples.push_back(file("below", text((1 << 20) - 1, 3)));
    samples.push_back(file("aligned", text(2 << 20, 4)));
    samples.push_back(file("last", text(10, 5)));
    return samples;
}

class DiskWriterTest : public ::testing::Test {
  protected:
    Result<WrittenDisk> write(const std::vector<Sample>& samples, std::size_t piece_bytes,
                              Workers& workers) {
        std::filesystem::remove_all(directory());
        std::filesystem::create_directory(directory());
        TRY(const auto writer, DiskWriter::create(directory(), workers));
        for (const Sample& sample : samples) {
            CHECK_OK(writer->begin(sample.entry));
            const ByteView content = as_bytes(sample.content);
            for (std::size_t at = 0; at < content.size(); at += piece_bytes) {
                CHECK_OK(writer->payload(
                    content.subspan(at, std::min(piece_bytes, content.size() - at))));
            }
        }
        return writer->finish({});
    }
    std::string directory() const { return temp_ / "layer"; }

    void expect_on_disk(const WrittenDisk& written, const std::vector<Sample>& samples) const {
        const std::string disk = temp_.read("layer/disk");
        ASSERT_EQ(disk.size(), written.tree->disk_size_bytes);
        for (const Sample& sample : samples) {
            const auto id = written.tree->find(sample.entry.path);
            ASSERT_TRUE(id) << sample.entry.path;
            const codec::Node& node = written.tree->nodes[*id];
            EXPECT_EQ(node.content, codec::sha256(as_bytes(sample.content))) << sample.entry.path;
            EXPECT_TRUE(disk.compare(node.disk_offset_bytes, node.size_bytes, sample.content) == 0)
                << sample.entry.path;
        }
    }

    test::TempDir temp_;
};

TEST_F(DiskWriterTest, puts_every_file_on_the_disk_with_its_digest) {
    io::Pool workers(2);
    const std::vector<Sample> samples = many();
    for (const std::size_t piece : {std::size_t{1000}, std::size_t{1} << 24}) {
        const auto written = write(samples, piece, workers);
        ASSERT_TRUE(written) << written.error().message;
        expect_on_disk(*written, samples);
    }
}

TEST_F(DiskWriterTest, lays_files_out_as_every_other_layer_does) {
    CallerWorkers workers;
    const auto written = write(many(), 1 << 16, workers);
    ASSERT_TRUE(written) << written.error().message;
    codec::FileTree again = *written->tree;
    codec::assign_disk_offsets(again);
    EXPECT_EQ(again.disk_size_bytes, written->tree->disk_size_bytes);
    for (codec::NodeId id = 0; id < again.nodes.size(); ++id) {
        EXPECT_EQ(again.nodes[id].disk_offset_bytes, written->tree->nodes[id].disk_offset_bytes);
    }
}

TEST_F(DiskWriterTest, cuts_large_files_into_pieces_with_digests) {
    CallerWorkers workers;
    const std::vector<Sample> samples = many();
    const auto written = write(samples, 1 << 16, workers);
    ASSERT_TRUE(written) << written.error().message;
    const codec::FileTree& tree = *written->tree;
    for (const Sample& sample : samples) {
        const codec::Node& node = tree.nodes[*tree.find(sample.entry.path)];
        const ByteView content = as_bytes(sample.content);
        std::uint64_t end_bytes = 0;
        for (std::uint32_t i = 0; i < node.chunk_count; ++i) {
            const codec::Chunk& chunk = tree.chunks[node.first_chunk + i];
            EXPECT_EQ(chunk.file_offset_bytes, end_bytes);
            EXPECT_EQ(chunk.blob_offset_bytes, node.disk_offset_bytes + end_bytes);
            EXPECT_EQ(chunk.size_bytes, std::min(codec::kPieceBytes, content.size() - end_bytes));
            EXPECT_EQ(chunk.digest, codec::sha256(content.subspan(end_bytes, chunk.size_bytes)));
            end_bytes += chunk.size_bytes;
        }
        EXPECT_EQ(end_bytes, content.size()) << sample.entry.path;
    }
}

/// Of every kind, with what each may have.
std::vector<Sample> everything() {
    std::vector<Sample> samples = many();
    const auto add = [&samples](LayerEntry entry) { samples.push_back({std::move(entry), ""}); };
    add({.type = FileType::directory, .path = "./", .mode = 0755, .mtime_s = 77});
    add({.type = FileType::directory, .path = "d", .mode = 02755, .uid = 5, .mtime_s = 1});
    samples.push_back(file("d/sparse", std::string(3'500'000, '\0')));
    samples.back().content[2'000'000] = 'x';
    samples.back().entry.mtime_s = 5'000'000'000;
    samples.push_back(file("d/tool", text(1'500'000, 9)));
    LayerEntry& tool = samples.back().entry;
    tool.mode = 04755;
    tool.uid = 3'000'000;
    tool.xattrs = {{.name = "security.capability", .value = std::string("\1\0\2", 3)},
                   {.name = "user.note", .value = "x"}};
    LayerEntry link = tool;
    link.kind = LayerEntry::Kind::hardlink;
    link.path = "a-second-name";
    link.link_target = "d/tool";
    link.size_bytes = 0;
    add(link);
    add({.type = FileType::symlink, .path = "link", .mode = 0777, .link_target = "d/tool"});
    add({.type = FileType::character, .path = "c", .device_major = 1, .device_minor = 300});
    add({.type = FileType::fifo, .path = "fifo", .mode = 0600, .mtime_s = -5});
    add({.path = "made/.wh.gone", .mode = 0644});
    add({.path = "made/without/.wh..wh..opq", .mode = 0644});
    add({.path = "d/not-\xff-utf-8", .mode = 0644});
    return samples;
}

Bytes tar_of(const WrittenDisk& written, const std::string& disk) {
    MemorySink tar;
    const MemoryAccess bytes{as_bytes(disk)};
    EXPECT_TRUE(codec::write_tree_tar(
        *written.tree,
        [&bytes](std::uint64_t offset, MutableByteView out) { return bytes.read_at(offset, out); },
        {}, tar));
    return std::move(tar).take();
}

// What lets a layer that was exported be known again: from its index alone, and from all of it.
TEST_F(DiskWriterTest, gives_the_digest_that_an_estargz_of_the_layer_proves) {
    io::Pool workers(2);
    const auto written = write(everything(), 1 << 16, workers);
    ASSERT_TRUE(written) << written.error().message;
    const Bytes tar = tar_of(*written, temp_.read("layer/disk"));

    MemorySink blob;
    const auto made = codec::write_estargz(MemoryAccess{tar}, {}, blob);
    ASSERT_TRUE(made) << made.error().message;
    const ByteView bytes = blob.bytes();
    const auto footer = codec::find_estargz_footer(bytes.last(codec::kEstargzFooterBytesMax));
    ASSERT_TRUE(footer && *footer);
    const std::uint64_t toc_offset = (*footer)->toc_offset_bytes;
    const auto toc = codec::read_toc(
        bytes.first(bytes.size() - (*footer)->footer_size_bytes).subspan(toc_offset), toc_offset,
        made->toc);
    ASSERT_TRUE(toc) << toc.error().message;
    EXPECT_EQ(codec::tree_digest(toc->tree), written->tree_digest);

    std::vector<Sample> again;
    MemorySource source{tar};
    codec::TarReader reader{source};
    for (auto entry = reader.next(); entry && *entry; entry = reader.next()) {
        again.push_back({(*entry)->entry, std::string((*entry)->entry.size_bytes, '\0')});
        const auto content = std::as_writable_bytes(std::span{again.back().content});
        for (std::size_t at = 0; at < content.size();) {
            at += reader.read_payload(content.subspan(at)).value_or(0);
        }
    }
    const auto unpacked = write(again, 1 << 16, workers);
    ASSERT_TRUE(unpacked) << unpacked.error().message;
    EXPECT_EQ(unpacked->tree_digest, written->tree_digest);
}

TEST_F(DiskWriterTest, keeps_the_index_and_the_image_beside_the_disk) {
    CallerWorkers workers;
    const auto written = write(many(), 1 << 16, workers);
    ASSERT_TRUE(written) << written.error().message;
    const auto tree = codec::read_tree_index(as_bytes(temp_.read("layer/tree")));
    ASSERT_TRUE(tree) << tree.error().message;
    EXPECT_EQ(codec::tree_digest(*tree), written->tree_digest);
    EXPECT_EQ(tree->disk_size_bytes, written->tree->disk_size_bytes);
    EXPECT_GT(temp_.read("layer/tree.erofs").size(), 0U);
}

TEST_F(DiskWriterTest, keeps_every_file_in_its_place_when_another_was_replaced) {
    CallerWorkers workers;
    std::vector<Sample> samples{file("a", text(5000, 1)), file("b", text(10, 2)),
                                file(".wh.gone", "whiteouts have no bytes, this one has"),
                                file("a", text(3, 3)), file("c", text(7, 4))};
    const auto written = write(samples, 1 << 16, workers);
    ASSERT_TRUE(written) << written.error().message;
    samples.erase(samples.begin());
    samples.erase(samples.begin() + 1);
    expect_on_disk(*written, samples);
    EXPECT_TRUE(written->tree->nodes[*written->tree->find("gone")].whiteout);
}

TEST_F(DiskWriterTest, works_on_the_only_worker_that_there_is) {
    const std::vector<Sample> samples = many();
    std::optional<Result<WrittenDisk>> written;
    std::binary_semaphore done(0);
    io::Pool workers(1);
    workers.submit([&] {
        written = write(samples, 1 << 20, workers);
        done.release();
    });
    done.acquire();
    ASSERT_TRUE(*written) << written->error().message;
    expect_on_disk(**written, samples);
}

TEST_F(DiskWriterTest, refuses_files_that_are_shorter_or_longer_than_they_say) {
    CallerWorkers workers;
    std::vector<Sample> shorter{file("a", "1234")};
    shorter[0].content = "123";
    EXPECT_EQ(write(shorter, 10, workers).error().code, std::errc::invalid_argument);
    shorter.push_back(file("b", "1"));
    EXPECT_EQ(write(shorter, 10, workers).error().code, std::errc::invalid_argument);
    std::vector<Sample> longer{file("a", "1234")};
    longer[0].content = "12345";
    EXPECT_EQ(write(longer, 10, workers).error().code, std::errc::invalid_argument);
}

TEST_F(DiskWriterTest, refuses_what_no_layer_may_say) {
    CallerWorkers workers;
    const auto written = write({file("a", "1"), file("a/b", "2")}, 10, workers);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, std::errc::bad_message);
}

TEST_F(DiskWriterTest, may_be_left_in_the_middle) {
    io::Pool workers(2);
    std::filesystem::create_directory(directory());
    const auto writer = DiskWriter::create(directory(), workers);
    ASSERT_TRUE(writer);
    const std::string content = text(900'000, 1);
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE((*writer)->begin({.path = std::to_string(i), .size_bytes = content.size()}));
        ASSERT_TRUE((*writer)->payload(as_bytes(content)));
    }
}

TEST_F(DiskWriterTest, gives_the_same_digest_on_any_number_of_workers) {
    CallerWorkers alone;
    io::Pool pool(4);
    const auto first = write(many(), 1 << 16, alone);
    const auto second = write(many(), 12345, pool);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->tree_digest, second->tree_digest);
}

}  // namespace
}  // namespace lazybuild::store
