// SPDX-License-Identifier: Apache-2.0
#include "codec/erofs_reader.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "codec/erofs_format.h"
#include "codec/erofs_xattrs.h"
#include "codec/file_type.h"
#include "codec/lexical_path.h"

namespace lazybuild::codec {

using erofs::ExtendedInode;
using erofs::kBlockBytes;
using erofs::kDirectoryRecordBytes;
using erofs::XattrHeader;

struct ErofsReader::Inode {
    ExtendedInode fixed;
    std::uint64_t offset_bytes = 0;
    std::uint64_t xattr_bytes = 0;

    erofs::DataLayout layout() const {
        return static_cast<erofs::DataLayout>((fixed.format >> 1) & 7);
    }
    bool is_directory() const { return S_ISDIR(fixed.mode); }
    std::uint64_t inline_offset_bytes() const {
        return offset_bytes + sizeof(ExtendedInode) + xattr_bytes;
    }
};

namespace {

Error damaged(std::string_view what) {
    return corrupt("EROFS image: " + std::string{what});
}

/// The records of one directory block, checked.
class BlockNames {
  public:
    static Result<BlockNames> of(ByteView block) {
        if (block.size() < kDirectoryRecordBytes) {
            return fail(damaged("a directory block without a record"));
        }
        const auto first = load_le<std::uint16_t>(block, erofs::kRecordNameOffsetAt);
        const std::size_t count = first / kDirectoryRecordBytes;
        if (count == 0 || first % kDirectoryRecordBytes != 0 || first > block.size()) {
            return fail(damaged("a directory block of no records"));
        }
        BlockNames names{block, count};
        for (std::size_t index = 0; index < count; ++index) {
            if (names.begin(index) > names.end(index) || names.end(index) > block.size()) {
                return fail(damaged("a directory record whose name lies outside its block"));
            }
        }
        return names;
    }

    std::size_t count() const { return count_; }
    std::string_view name(std::size_t index) const {
        const std::string_view text =
            as_text(block_.subspan(begin(index), end(index) - begin(index)));
        return text.substr(0, text.find('\0'));
    }
    std::uint64_t nid(std::size_t index) const {
        return load_le<std::uint64_t>(block_, index * kDirectoryRecordBytes);
    }

  private:
    BlockNames(ByteView block, std::size_t count) : block_(block), count_(count) {}
    std::size_t begin(std::size_t index) const {
        return load_le<std::uint16_t>(block_,
                                      index * kDirectoryRecordBytes + erofs::kRecordNameOffsetAt);
    }
    std::size_t end(std::size_t index) const {
        return index + 1 == count_ ? block_.size() : begin(index + 1);
    }

    ByteView block_;
    std::size_t count_;
};

}  // namespace

Result<ErofsReader> ErofsReader::open(const RandomAccess& image) {
    if (image.size_bytes() < kBlockBytes) {
        return fail(damaged("too short"));
    }
    erofs::Superblock superblock;
    CHECK_OK(image.read_at(erofs::kSuperblockOffsetBytes,
                           std::as_writable_bytes(std::span{&superblock, 1})));
    if (superblock.magic != erofs::kMagic || superblock.block_bits != erofs::kBlockBits ||
        superblock.metadata_block != 0) {
        return fail(damaged("not one of ours"));
    }
    return ErofsReader{image, superblock.root_nid};
}

Result<std::optional<Node>> ErofsReader::look(std::string_view path) const {
    TRY(Inode here, inode(root_nid_));
    while (!path.empty()) {
        if (!here.is_directory()) {
            return std::nullopt;
        }
        TRY(const std::optional<std::uint64_t> next, find_name(here, take_component(path)));
        if (!next) {
            return std::nullopt;
        }
        TRY(here, inode(*next));
    }
    TRY(Node node, node_of(here));
    return node;
}

Result<ErofsReader::Inode> ErofsReader::inode(std::uint64_t nid) const {
    Inode found;
    if (nid > image_.size_bytes() / erofs::kInodeSlotBytes ||
        image_.size_bytes() - nid * erofs::kInodeSlotBytes < sizeof(ExtendedInode)) {
        return fail(damaged("an inode outside it"));
    }
    found.offset_bytes = nid * erofs::kInodeSlotBytes;
    CHECK_OK(
        image_.read_at(found.offset_bytes, std::as_writable_bytes(std::span{&found.fixed, 1})));
    const std::uint16_t count = found.fixed.xattr_count;
    found.xattr_bytes = count == 0 ? 0 : sizeof(XattrHeader) + 4 * (count - std::uint64_t{1});
    if (found.fixed.format != erofs::extended_inode_format(found.layout()) ||
        !file_type_of(found.fixed.mode)) {
        return fail(damaged("an inode of another kind"));
    }
    return found;
}

/// Bytes of a directory or symlink: whole blocks at `data`, the rest behind the inode.
Result<void> ErofsReader::read_data(const Inode& inode, std::uint64_t offset_bytes,
                                    MutableByteView out) const {
    const std::uint64_t whole_bytes = inode.layout() == erofs::DataLayout::flat_inline
                                          ? inode.fixed.size_bytes / kBlockBytes * kBlockBytes
                                          : inode.fixed.size_bytes;
    const bool is_inline = offset_bytes >= whole_bytes;
    const std::uint64_t from = is_inline
                                   ? inode.inline_offset_bytes() + (offset_bytes - whole_bytes)
                                   : std::uint64_t{inode.fixed.data} * kBlockBytes + offset_bytes;
    if (out.size() > image_.size_bytes() || from > image_.size_bytes() - out.size()) {
        return fail(damaged("data outside it"));
    }
    return image_.read_at(from, out);
}

Result<Bytes> ErofsReader::directory_block(const Inode& inode, std::uint64_t number) const {
    const std::uint64_t begin = number * kBlockBytes;
    Bytes block(std::min<std::uint64_t>(kBlockBytes, inode.fixed.size_bytes - begin));
    CHECK_OK(read_data(inode, begin, block));
    return block;
}

/// Names are sorted over the whole directory: the block is searched by its first name.
Result<std::optional<std::uint64_t>> ErofsReader::find_name(const Inode& directory,
                                                            std::string_view name) const {
    const std::uint64_t size = directory.fixed.size_bytes;
    if (size == 0 || size > image_.size_bytes()) {
        return fail(damaged("a directory of an impossible size"));
    }
    std::uint64_t low = 0;  // its first name is not behind `name`, or it is the first block
    std::uint64_t high = (size + kBlockBytes - 1) / kBlockBytes;
    while (high - low > 1) {
        const std::uint64_t middle = low + (high - low) / 2;
        TRY(const Bytes block, directory_block(directory, middle));
        TRY(const BlockNames names, BlockNames::of(block));
        (names.name(0) <= name ? low : high) = middle;
    }
    TRY(const Bytes block, directory_block(directory, low));
    TRY(const BlockNames names, BlockNames::of(block));
    for (std::size_t index = 0; index < names.count(); ++index) {
        if (names.name(index) == name) {
            return names.nid(index);
        }
    }
    return std::nullopt;
}

Result<Node> ErofsReader::node_of(const Inode& inode) const {
    Node node{.type = *file_type_of(inode.fixed.mode),
              .mode = inode.fixed.mode & 07777U,
              .uid = inode.fixed.uid,
              .gid = inode.fixed.gid,
              .link_count = inode.fixed.link_count,
              .mtime_s = static_cast<std::int64_t>(inode.fixed.mtime_s)};
    if (node.type == FileType::symlink) {
        if (inode.fixed.size_bytes > kPathBytesMax) {
            return fail(damaged("a symlink that is too long"));
        }
        node.link_target.resize(inode.fixed.size_bytes);
        CHECK_OK(read_data(inode, 0, std::as_writable_bytes(std::span{node.link_target})));
    }
    Bytes area(inode.xattr_bytes);
    if (!area.empty()) {
        const std::uint64_t from = inode.offset_bytes + sizeof(ExtendedInode);
        if (from > image_.size_bytes() || area.size() > image_.size_bytes() - from) {
            return fail(damaged("xattrs outside it"));
        }
        CHECK_OK(image_.read_at(from, area));
    }
    TRY(node.xattrs, erofs::decode_xattrs(area));
    return node;
}

}  // namespace lazybuild::codec
