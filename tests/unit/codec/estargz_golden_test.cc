// SPDX-License-Identifier: Apache-2.0
// Blobs in tests/golden/estargz, made from one layer.tar by stargz-snapshotter's converter and by
// our writer, read as the tree that Python's tarfile finds in that tar (tree.txt); and our writer,
// which is to make that blob of ours for ever.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/file.h"
#include "codec/estargz_footer.h"
#include "codec/estargz_toc.h"
#include "codec/estargz_writer.h"
#include "codec/gzip.h"
#include "codec/sha256.h"

namespace lazybuild::codec {
namespace {

constexpr std::uint64_t kGoldenBytesMax = 1 << 20;
// What the goldens were made with. libdeflate does this level, with the same bytes on every CPU,
// which ISA-L's levels 0 to 3 do not promise. Another version of libdeflate than Debian 12's 1.14
// may make other ones: then, and only then, UPDATE_GOLDEN=1 writes ours.tar.gz anew.
constexpr int kLevel = 6;
constexpr std::uint64_t kChunkBytes = 4096;

std::string golden_path(std::string_view name) {
    return fmt::format("{}/tests/golden/estargz/{}", LAZYBUILD_SOURCE_DIR, name);
}

std::string golden(std::string_view name) {
    auto content = read_file(golden_path(name), kGoldenBytesMax);
    EXPECT_TRUE(content) << (content ? "" : content.error().message);
    return content.value_or("");
}

struct Layer {
    std::string blob;
    Digest toc_digest;
    Toc toc;
};

Result<Layer> open_layer(std::string_view name) {
    Layer layer{.blob = golden(name), .toc_digest = {}, .toc = {}};
    const ByteView blob = as_bytes(layer.blob);
    TRY(auto footer, find_estargz_footer(blob.last(std::min(blob.size(), kEstargzFooterBytesMax))));
    if (!footer || footer->toc_offset_bytes + footer->footer_size_bytes > blob.size()) {
        return fail(corrupt("no footer"));
    }
    const ByteView members = blob.first(blob.size() - footer->footer_size_bytes);
    TocText json(members.subspan(footer->toc_offset_bytes));
    TRY(layer.toc, parse_toc(json, footer->toc_offset_bytes));
    layer.toc_digest = json.digest().value();
    return layer;
}

/// Each chunk inflated alone and compared with its digest, as a mounted layer does it.
Result<Bytes> content_of(const Layer& layer, const Node& node) {
    Bytes content(node.size_bytes);
    Inflater inflater;
    for (std::uint32_t i = 0; i < node.chunk_count; ++i) {
        const Chunk& chunk = layer.toc.tree.chunks[node.first_chunk + i];
        const MutableByteView out =
            MutableByteView{content}.subspan(chunk.file_offset_bytes, chunk.size_bytes);
        const ByteView members =
            as_bytes(layer.blob).subspan(chunk.blob_offset_bytes, chunk.blob_size_bytes);
        CHECK_OK(inflater.inflate_range(members, chunk.member_offset_bytes, out));
        if (sha256(out) != chunk.digest) {
            return fail(corrupt("a chunk's digest differs"));
        }
    }
    return content;
}

std::string_view name_of(FileType type) {
    constexpr std::string_view kNames[] = {"regular",   "directory", "symlink",
                                           "character", "block",     "fifo"};
    return kNames[static_cast<std::size_t>(type)];
}

std::string hex_of(std::string_view bytes) {
    std::string hex;
    for (const char byte : bytes) {
        hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    return hex;
}

/// One file's line of tree.txt.
std::string line_of(const Layer& layer, const std::string& path, const Node& node) {
    const bool device = node.type == FileType::character || node.type == FileType::block;
    std::string line = fmt::format("{}: links={}", path.empty() ? "/" : path, node.link_count);
    if (node.type == FileType::character && node.device_major + node.device_minor == 0) {
        return line + " whiteout\n";
    }
    line += fmt::format(" {} {:o} {}:{} {}", name_of(node.type), node.mode, node.uid, node.gid,
                        node.mtime_s);
    if (node.type == FileType::regular) {
        auto content = content_of(layer, node);
        EXPECT_TRUE(content) << path << ": " << (content ? "" : content.error().message);
        line += fmt::format(" size={} {}", node.size_bytes,
                            sha256(content.value_or(Bytes{})).text().replace(6, 1, "="));
    }
    line += node.type == FileType::symlink ? " target=" + node.link_target : "";
    line += device ? fmt::format(" device={}:{}", node.device_major, node.device_minor) : "";
    for (const Xattr& xattr : node.xattrs) {
        line += fmt::format(" {}={}", xattr.name, hex_of(xattr.value));
    }
    return line + (node.opaque ? " opaque" : "") + "\n";
}

void add_lines(const Layer& layer, const std::string& path, NodeId id,
               std::vector<std::string>& lines) {
    const Node& node = layer.toc.tree.nodes[id];
    lines.push_back(line_of(layer, path, node));
    for (const DirectoryEntry& entry : node.entries) {
        add_lines(layer, path.empty() ? entry.name : path + "/" + entry.name, entry.node, lines);
    }
}

std::string tree_text(const Layer& layer) {
    std::vector<std::string> lines;
    add_lines(layer, "", kRootNode, lines);
    std::ranges::sort(lines, {}, [](const std::string& line) {
        return line.starts_with("/:") ? "" : line.substr(0, line.find(": links="));
    });
    return fmt::format("{}", fmt::join(lines, ""));
}

TEST(EstargzGolden, reads_what_stargz_snapshotter_wrote) {
    const auto layer = open_layer("theirs.tar.gz");
    ASSERT_TRUE(layer) << layer.error().message;

    EXPECT_EQ(tree_text(*layer), golden("tree.txt"));
    EXPECT_TRUE(golden("theirs.txt").contains(layer->toc_digest.text()));
    EXPECT_FALSE(layer->toc.prefetch_end_bytes);
    const Node& file = layer->toc.tree.nodes[layer->toc.tree.find("etc/chunks").value()];
    EXPECT_EQ(file.chunk_count, (file.size_bytes + kChunkBytes - 1) / kChunkBytes);
}

TEST(EstargzGolden, writes_the_same_bytes_as_ever) {
    const std::string tar = golden("layer.tar");
    MemorySink out;
    const auto written =
        write_estargz(MemoryAccess{as_bytes(tar)},
                      {.level = kLevel, .chunk_size_bytes = kChunkBytes, .prioritized = {}}, out);
    ASSERT_TRUE(written) << written.error().message;
    if (std::getenv("UPDATE_GOLDEN") != nullptr) {
        ASSERT_TRUE(replace_file(golden_path("ours.tar.gz"), out.bytes()));
    }

    EXPECT_TRUE(as_text(out.bytes()) == golden("ours.tar.gz"))
        << "the writer makes other bytes than it used to";
}

TEST(EstargzGolden, reads_what_it_used_to_write) {
    const auto layer = open_layer("ours.tar.gz");
    ASSERT_TRUE(layer) << layer.error().message;

    EXPECT_EQ(tree_text(*layer), golden("tree.txt"));
}

}  // namespace
}  // namespace lazybuild::codec
