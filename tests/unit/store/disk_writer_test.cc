// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/disk_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "codec/sha256.h"
#include "codec/tree_digest.h"
#include "codec/tree_index.h"
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
