// SPDX-License-Identifier: Apache-2.0
// File trees that no layer should say, as instructions: the EROFS writer refuses them or writes
// whole blocks, and it writes the same twice.
//
// An instruction is: node type and flags, node it hangs under, node it names (a new one, or an old
// one), length of its name, first letter, length of its xattr or link, size and disk offset.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/stream.h"
#include "codec/erofs_format.h"
#include "codec/erofs_writer.h"
#include "codec/file_tree.h"

namespace lazybuild::codec {
namespace {

constexpr std::size_t kInstructionBytes = 12;
constexpr std::uint64_t kDiskBytes = 1 << 20;

void add(FileTree& tree, ByteView instruction) {
    const auto byte = [&](std::size_t at) { return load_le<std::uint8_t>(instruction, at); };
    const std::uint8_t flags = byte(0);
    Node node{.type = static_cast<FileType>(flags % 6), .opaque = (flags & 0x40) != 0};
    node.mode = load_le<std::uint16_t>(instruction, 4);
    node.size_bytes = std::uint64_t{load_le<std::uint16_t>(instruction, 6)} << (byte(8) % 40);
    node.disk_offset_bytes = std::uint64_t{byte(9)} << (byte(8) / 16);
    node.device_major = byte(9) * 20U;
    node.device_minor = byte(10) * 5000U;
    node.link_target.assign(byte(10) * 17U, 'l');
    if ((flags & 0x80) != 0) {
        node.xattrs = {{.name = "user." + std::string(byte(3), 'x'),
                        .value = std::string(byte(11) * 300U, 'v')}};
    }
    const NodeId parent = byte(1) % static_cast<NodeId>(tree.nodes.size());
    // Mostly a new node, sometimes an old one, sometimes none that exists.
    const auto next = static_cast<NodeId>(tree.nodes.size());
    const NodeId named = byte(2) < 0xE0 ? next : byte(2) - 0xE0U;
    std::string name(byte(3), 'n');
    if (!name.empty()) {
        name[0] = static_cast<char>(byte(11));
        name += std::to_string(next);
    }
    tree.nodes[parent].entries.push_back({.name = std::move(name), .node = named});
    tree.nodes.push_back(std::move(node));
}

}  // namespace
}  // namespace lazybuild::codec

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace codec = lazybuild::codec;
    lazybuild::ByteView rest = std::as_bytes(std::span{data, size});
    codec::FileTree tree;
    tree.nodes.emplace_back();
    tree.disk_size_bytes = codec::kDiskBytes;
    for (; rest.size() >= codec::kInstructionBytes; rest = rest.subspan(codec::kInstructionBytes)) {
        codec::add(tree, rest.first(codec::kInstructionBytes));
    }
    lazybuild::MemorySink image;
    lazybuild::MemorySink again;
    const bool written = codec::write_erofs(tree, {}, image).has_value();
    const bool written_again = codec::write_erofs(tree, {}, again).has_value();
    if (written != written_again || image.bytes() != again.bytes() ||
        image.bytes().size() % codec::erofs::kBlockBytes != 0) {
        std::abort();
    }
    return 0;
}
