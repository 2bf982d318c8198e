// SPDX-License-Identifier: Apache-2.0
// File trees made by hand, and the disks that belong to them, for the tests of the EROFS writer and
// of what mounts its images.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "codec/file_tree.h"

namespace lazybuild::codec::test {

/// Byte `offset_bytes` of the payload that every test file of node `node` has.
inline std::byte payload_byte(NodeId node, std::uint64_t offset_bytes) {
    const std::uint64_t mixed = (offset_bytes / 8 + node * 1'000'003ULL) * 0x9E3779B97F4A7C15ULL;
    return static_cast<std::byte>(mixed >> (8 * (offset_bytes % 8)));
}

inline Bytes payload(NodeId node, std::uint64_t offset_bytes, std::uint64_t size_bytes) {
    Bytes bytes(size_bytes);
    for (std::uint64_t i = 0; i < size_bytes; ++i) {
        bytes[i] = payload_byte(node, offset_bytes + i);
    }
    return bytes;
}

/// Takes nodes by path, in any order as long as the parent comes first.
class TreeMaker {
  public:
    TreeMaker() { tree_.nodes.emplace_back(); }

    Node& root() { return tree_.nodes[kRootNode]; }

    NodeId add(std::string_view path, Node node) {
        const auto id = static_cast<NodeId>(tree_.nodes.size());
        node.link_count = 0;
        tree_.nodes.push_back(std::move(node));
        link(path, id);
        if (tree_.nodes[id].type == FileType::directory) {
            directories_[std::string{path}] = id;
        }
        return id;
    }

    NodeId directory(std::string_view path, std::uint32_t mode = 0755) {
        return add(path, {.type = FileType::directory, .mode = mode});
    }
    NodeId file(std::string_view path, std::uint64_t size_bytes, std::uint32_t mode = 0644) {
        return add(path, {.type = FileType::regular, .mode = mode, .size_bytes = size_bytes});
    }
    NodeId symlink(std::string_view path, std::string target) {
        return add(path,
                   {.type = FileType::symlink, .mode = 0777, .link_target = std::move(target)});
    }

    /// A further name of `node`.
    void link(std::string_view path, NodeId node) {
        const std::size_t slash = path.rfind('/');
        const std::string parent{slash == path.npos ? "" : path.substr(0, slash)};
        const std::string name{slash == path.npos ? path : path.substr(slash + 1)};
        const NodeId parent_id = parent.empty() ? kRootNode : directories_.at(parent);
        tree_.nodes[parent_id].entries.push_back({.name = name, .node = node});
    }

    Node& node(NodeId id) { return tree_.nodes[id]; }

    /// Sorts, counts links and assigns disk offsets.
    FileTree finish() {
        for (Node& node : tree_.nodes) {
            node.link_count = node.type == FileType::directory ? 2 : 0;
        }
        for (Node& node : tree_.nodes) {
            std::ranges::sort(node.entries, {}, &DirectoryEntry::name);
            for (const DirectoryEntry& entry : node.entries) {
                Node& child = tree_.nodes[entry.node];
                ++(child.type == FileType::directory ? node : child).link_count;
            }
        }
        for (Node& node : tree_.nodes) {
            if (node.type == FileType::regular && node.size_bytes > 0) {
                node.disk_offset_bytes = tree_.disk_size_bytes;
                tree_.disk_size_bytes += align_up(node.size_bytes, kDiskAlignment);
            }
        }
        return std::move(tree_);
    }

  private:
    FileTree tree_;
    std::map<std::string, NodeId> directories_;
};

/// One of everything: types, sizes around a block, odd names, xattrs, hard links, whiteouts.
inline FileTree everything_tree() {
    TreeMaker maker;
    maker.root().mode = 01777;
    maker.root().mtime_s = 1'234'567'890;
    maker.directory("bin", 0711);
    for (std::uint64_t size_bytes :
         {0U, 1U, 4095U, 4096U, 4097U, 8191U, 1U << 20, (3U << 20) + 17}) {
        maker.file("bin/size-" + std::to_string(size_bytes), size_bytes);
    }
    const NodeId setuid = maker.file("bin/su", 70'000, 06755);
    maker.node(setuid).uid = 70'000;
    maker.node(setuid).gid = 4'000'000'000U;
    maker.node(setuid).mtime_s = -86'400;
    maker.node(setuid).xattrs = {
        {.name = "security.capability",
         .value = std::string{"\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20}},
        {.name = "user.empty", .value = ""},
        {.name = "user.mime", .value = "text/plain"}};
    maker.link("bin/su-again", setuid);
    maker.link("su-third", setuid);
    maker.node(maker.file("late", 10)).mtime_s = 5'000'000'000;
    maker.symlink("lib", "usr/lib");
    maker.symlink("long-link", std::string(4095, 'x'));
    maker.symlink("block-long-link", std::string(4000, 'y'));
    maker.add("null",
              {.type = FileType::character, .mode = 0666, .device_major = 1, .device_minor = 3});
    maker.add("gone", {.type = FileType::character, .mode = 0});
    maker.add("disk",
              {.type = FileType::block, .mode = 0660, .device_major = 259, .device_minor = 70'001});
    maker.add(
        "edge",
        {.type = FileType::block, .mode = 0, .device_major = 4095, .device_minor = 1'048'575});
    maker.add("pipe", {.type = FileType::fifo, .mode = 0600});
    maker.node(maker.directory("opaque")).opaque = true;
    const NodeId large = maker.directory("attributes");
    maker.node(large).xattrs = {
        {.name = "system.posix_acl_access",
         .value = std::string{"\2\0\0\0\1\0\7\0\xff\xff\xff\xff\4\0\5\0\xff\xff\xff\xff"
                              "\40\0\5\0\xff\xff\xff\xff",
                              28}},
        {.name = "trusted.big", .value = std::string(60'000, 'B')},
        {.name = "user.a", .value = std::string(5'000, 'a')},
        {.name = "user." + std::string(250, 'n'), .value = "n"}};
    maker.file("attributes/in-large", 5);
    const NodeId odd = maker.file("odd-xattr", 4097);  // an xattr area that is no multiple of 8
    maker.node(odd).xattrs = {{.name = "user.ab", .value = "c"}};
    maker.directory("names");
    for (std::string name :
         {"!", "-", ".-", ".a", "...", "..a", "\xff\xfe", "\n", " ", "\\", "ü"}) {
        maker.file("names/" + name, 3);
    }
    maker.file("names/" + std::string(255, 'n'), 3);
    return maker.finish();
}

/// A directory of `count` empty files with names of different lengths.
inline FileTree wide_tree(std::size_t count) {
    TreeMaker maker;
    maker.directory("wide");
    for (std::size_t i = 0; i < count; ++i) {
        maker.file("wide/" + std::string(i % 40, 'f') + std::to_string(i), 0);
    }
    return maker.finish();
}

/// `depth` directories inside each other, and a file in the last.
inline FileTree deep_tree(std::size_t depth) {
    FileTree tree;
    for (std::size_t i = 0; i <= depth; ++i) {
        const auto child = static_cast<NodeId>(i + 1);
        tree.nodes.push_back(
            {.link_count = i < depth ? 3U : 2U, .entries = {{.name = "d", .node = child}}});
    }
    tree.nodes.push_back({.type = FileType::regular});
    return tree;
}

}  // namespace lazybuild::codec::test
