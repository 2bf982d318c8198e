// SPDX-License-Identifier: Apache-2.0
#include "codec/tree_tar.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "codec/sha256.h"
#include "codec/tar.h"
#include "codec/tree_digest.h"
#include "tests/unit/codec/layer_entries.h"

namespace lazybuild::codec {
namespace {

using test::build;
using test::directory;
using test::hardlink;
using test::symlink;

/// A tree, and the disk that belongs to it.
struct Layer {
    FileTree tree;
    Bytes disk;
};

/// An entry, and a regular file's bytes.
struct Sample {
    LayerEntry entry;
    std::string content = {};
};

Sample file(std::string path, std::string content) {
    return {.entry = {.path = std::move(path), .mode = 0644, .mtime_s = 100},
            .content = std::move(content)};
}

Layer make(std::vector<Sample> samples) {
    std::vector<LayerEntry> entries;
    std::uint64_t blob_bytes = 0;
    for (Sample& sample : samples) {
        const std::uint64_t size = sample.content.size();
        sample.entry.size_bytes = size;
        if (size > 0) {
            sample.entry.chunks = {{.size_bytes = size,
                                    .blob_offset_bytes = blob_bytes,
                                    .digest = sha256(as_bytes(sample.content))}};
            blob_bytes += size;
        }
        entries.push_back(sample.entry);
    }
    Layer layer{.tree = build(std::move(entries)), .disk = {}};
    layer.disk.resize(layer.tree.disk_size_bytes);
    for (const Sample& sample : samples) {
        const auto id = layer.tree.find(sample.entry.path);
        if (id && !sample.content.empty()) {
            std::ranges::copy(as_bytes(sample.content),
                              layer.disk.begin() + static_cast<std::ptrdiff_t>(
                                                       layer.tree.nodes[*id].disk_offset_bytes));
        }
    }
    return layer;
}

Bytes tar_of(const Layer& layer, const TreeTarOptions& options = {}) {
    const MemoryAccess disk{layer.disk};
    MemorySink out;
    const auto written = write_tree_tar(
        layer.tree,
        [&disk](std::uint64_t offset, MutableByteView bytes) {
            return disk.read_at(offset, bytes);
        },
        options, out);
    EXPECT_TRUE(written) << written.error().message;
    return std::move(out).take();
}

std::vector<Sample> read_tar(ByteView tar) {
    MemorySource source(tar);
    TarReader reader(source);
    std::vector<Sample> samples;
    while (true) {
        auto entry = reader.next();
        EXPECT_TRUE(entry) << entry.error().message;
        if (!entry || !*entry) {
            return samples;
        }
        Bytes content((*entry)->entry.size_bytes);
        for (std::size_t at = 0; at < content.size();) {
            at += reader.read_payload(MutableByteView{content}.subspan(at)).value_or(0);
        }
        samples.push_back(
            {.entry = std::move((*entry)->entry), .content = std::string{as_text(content)}});
    }
}

std::vector<Sample> everything() {
    Sample attributed = file("usr/bin/tool", "#!/bin/sh\n");
    attributed.entry.mode = 04755;
    attributed.entry.uid = 3'000'000;
    attributed.entry.mtime_s = 5'000'000'000;
    attributed.entry.xattrs = {{.name = "security.capability", .value = std::string("\1\0\2", 3)},
                               {.name = "user.note", .value = "x"}};
    Sample linked{.entry = hardlink("a-second-name", "usr/bin/tool")};
    LayerEntry& link = linked.entry;
    link.mode = attributed.entry.mode;
    link.uid = attributed.entry.uid;
    link.mtime_s = attributed.entry.mtime_s;
    link.xattrs = attributed.entry.xattrs;
    return {{.entry = directory(".")},
            {.entry = directory("usr", 02755)},
            {.entry = directory("usr/bin")},
            attributed,
            linked,
            file("empty", ""),
            file(std::string(200, 'l') + "/" + std::string(200, 'n'), "long names"),
            file("made/without/entry", "x"),
            file("made/.wh.gone", ""),
            file("hidden/.wh..wh..opq", ""),
            file("usr/.wh..wh..opq", ""),
            file("usr/below", std::string(10'000, 'b')),
            {.entry = symlink("link", "usr/bin")},
            {.entry = {.type = FileType::fifo, .path = "fifo", .mode = 0600}},
            {.entry = {.type = FileType::block,
                       .path = "disk",
                       .mode = 0660,
                       .device_major = 8,
                       .device_minor = 300}}};
}

TEST(TreeTar, gives_the_same_tree_when_it_is_read) {
    const Layer layer = make(everything());
    const Bytes tar = tar_of(layer);
    const Layer again = make(read_tar(tar));
    EXPECT_EQ(tree_digest(again.tree), tree_digest(layer.tree));
    EXPECT_TRUE(tar_of(again) == tar);
}

TEST(TreeTar, has_the_bytes_of_every_file) {
    for (const Sample& sample : read_tar(tar_of(make(everything())))) {
        if (sample.entry.path == "usr/below") {
            EXPECT_EQ(sample.content, std::string(10'000, 'b'));
        }
    }
}

TEST(TreeTar, stands_in_the_order_of_paths_with_marks_and_links_in_their_places) {
    std::vector<std::string> paths;
    for (const Sample& sample : read_tar(tar_of(make(everything())))) {
        paths.push_back(sample.entry.path);
        if (sample.entry.kind == LayerEntry::Kind::hardlink) {
            EXPECT_EQ(sample.entry.link_target, "a-second-name");
        }
    }
    const std::vector<std::string> expected{"./",
                                            "a-second-name",
                                            "disk",
                                            "empty",
                                            "fifo",
                                            "hidden/.wh..wh..opq",
                                            "link",
                                            std::string(200, 'l') + "/" + std::string(200, 'n'),
                                            "made/.wh.gone",
                                            "made/without/entry",
                                            "usr/",
                                            "usr/.wh..wh..opq",
                                            "usr/below",
                                            "usr/bin/",
                                            "usr/bin/tool"};
    EXPECT_EQ(paths, expected);
}

TEST(TreeTar, is_the_same_from_every_order_of_entries) {
    const Bytes expected = tar_of(make(everything()));
    std::vector<Sample> samples = everything();
    std::rotate(samples.begin() + 5, samples.begin() + 9, samples.end());
    EXPECT_TRUE(tar_of(make(std::move(samples))) == expected);
}

TEST(TreeTar, clamps_times_that_are_later) {
    for (const Sample& sample : read_tar(tar_of(make(everything()), {.mtime_max_s = 50}))) {
        EXPECT_LE(sample.entry.mtime_s, 50) << sample.entry.path;
        if (sample.entry.path == "usr/bin/") {
            EXPECT_EQ(sample.entry.mtime_s, 7);
        }
    }
}

TEST(TreeTar, reads_files_that_stand_together_together) {
    std::vector<Sample> samples;
    for (int i = 0; i < 2000; ++i) {
        samples.push_back(file("f" + std::to_string(10'000 + i), "content " + std::to_string(i)));
    }
    const Layer layer = make(std::move(samples));
    const MemoryAccess disk{layer.disk};
    std::size_t reads = 0;
    MemorySink out;
    ASSERT_TRUE(write_tree_tar(
        layer.tree,
        [&](std::uint64_t offset, MutableByteView bytes) {
            ++reads;
            return disk.read_at(offset, bytes);
        },
        {}, out));
    EXPECT_LT(reads, 30U);
}

TEST(TreeTar, fails_as_its_disk_fails) {
    const Layer layer = make(everything());
    MemorySink out;
    const auto written = write_tree_tar(
        layer.tree,
        [](std::uint64_t, MutableByteView) -> Result<void> {
            return fail(Error{.code = std::errc::io_error, .message = "gone"});
        },
        {}, out);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, std::errc::io_error);
}

}  // namespace
}  // namespace lazybuild::codec
