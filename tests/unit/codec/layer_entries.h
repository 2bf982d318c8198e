// SPDX-License-Identifier: Apache-2.0
// Short ways to write the entries of a layer, and to look at the tree that they become.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "codec/file_tree.h"

namespace lazybuild::codec::test {

/// A non-empty regular file of one chunk, at `blob_offset_bytes`, or an empty one.
inline LayerEntry file(std::string path, std::uint64_t size_bytes = 0,
                       std::uint64_t blob_offset_bytes = 0) {
    LayerEntry entry{.path = std::move(path), .mode = 0644, .size_bytes = size_bytes};
    if (size_bytes > 0) {
        entry.chunks = {Chunk{.size_bytes = size_bytes, .blob_offset_bytes = blob_offset_bytes}};
    }
    return entry;
}
inline LayerEntry directory(std::string path, std::uint32_t mode = 0750) {
    return {.type = FileType::directory, .path = std::move(path), .mode = mode, .mtime_s = 7};
}
inline LayerEntry symlink(std::string path, std::string target) {
    return {.type = FileType::symlink,
            .path = std::move(path),
            .mode = 0123,
            .link_target = std::move(target)};
}
inline LayerEntry hardlink(std::string path, std::string target) {
    return {.kind = LayerEntry::Kind::hardlink,
            .path = std::move(path),
            .mode = 0644,
            .link_target = std::move(target)};
}

/// The layer as finished, or why it is none.
inline Result<FileTree> try_build(std::vector<LayerEntry> entries) {
    FileTreeBuilder builder;
    for (LayerEntry& entry : entries) {
        CHECK_OK(builder.add(std::move(entry)));
    }
    return std::move(builder).finish();
}

/// What FileTree promises of every tree, whatever the layer was.
inline void check_sound(const FileTree& tree) {
    std::vector<std::uint32_t> names(tree.nodes.size(), 0);
    names[kRootNode] = 1;
    std::uint64_t chunk = 0;
    for (const Node& node : tree.nodes) {
        std::uint32_t directories = 0;
        for (std::size_t i = 0; i < node.entries.size(); ++i) {
            ASSERT_EQ(node.type, FileType::directory);
            ASSERT_TRUE(i == 0 || node.entries[i - 1].name < node.entries[i].name);
            ASSERT_LT(node.entries[i].node, tree.nodes.size());
            ASSERT_NE(node.entries[i].node, kRootNode);
            ++names[node.entries[i].node];
            directories += tree.nodes[node.entries[i].node].type == FileType::directory ? 1 : 0;
        }
        if (node.type == FileType::directory) {
            ASSERT_EQ(node.link_count, 2 + directories);
        }
        if (node.chunk_count > 0) {
            ASSERT_EQ(node.type, FileType::regular);
            ASSERT_EQ(node.first_chunk, chunk) << "runs stand in the order of the nodes";
            chunk += node.chunk_count;
        }
    }
    ASSERT_EQ(tree.chunks.size(), chunk);
    for (NodeId id = 0; id < tree.nodes.size(); ++id) {
        const bool is_directory = tree.nodes[id].type == FileType::directory;
        ASSERT_EQ(names[id], is_directory ? 1 : tree.nodes[id].link_count) << id;
    }
}

inline FileTree build(std::vector<LayerEntry> entries) {
    auto tree = try_build(std::move(entries));
    EXPECT_TRUE(tree) << tree.error().message;
    if (!tree) {
        return {.nodes = std::vector<Node>(1)};
    }
    check_sound(*tree);
    return *std::move(tree);
}

/// The node at `path`; the test's failure when it is not there.
inline Node at(const FileTree& tree, std::string_view path) {
    const auto id = tree.find(path);
    EXPECT_TRUE(id) << path;
    return id ? tree.nodes[*id] : Node{};
}

inline std::errc code_of(std::vector<LayerEntry> entries) {
    const auto tree = try_build(std::move(entries));
    EXPECT_FALSE(tree);
    return tree ? std::errc{} : tree.error().code;
}

}  // namespace lazybuild::codec::test
