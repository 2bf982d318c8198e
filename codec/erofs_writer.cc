// SPDX-License-Identifier: Apache-2.0
#include "codec/erofs_writer.h"

#include <fmt/format.h>
#include <isa-l/crc.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <string>

#include "codec/erofs_directory.h"
#include "codec/erofs_format.h"
#include "codec/erofs_layout.h"
#include "codec/erofs_xattrs.h"

namespace lazybuild::codec::erofs {
namespace {

std::uint16_t file_mode(const Node& node) {
    unsigned type = 0;
    switch (node.type) {
        case FileType::regular: type = S_IFREG; break;
        case FileType::directory: type = S_IFDIR; break;
        case FileType::symlink: type = S_IFLNK; break;
        case FileType::character: type = S_IFCHR; break;
        case FileType::block: type = S_IFBLK; break;
        case FileType::fifo: type = S_IFIFO; break;
    }
    return static_cast<std::uint16_t>(type | (node.mode & 07777));
}

/// EROFS's numbers for the types, which are ext2's.
std::uint8_t record_type(FileType type) {
    switch (type) {
        case FileType::regular: return 1;
        case FileType::directory: return 2;
        case FileType::character: return 3;
        case FileType::block: return 4;
        case FileType::fifo: return 5;
        case FileType::symlink: return 7;
    }
    return 0;
}

/// The kernel's new_encode_dev; the limits are checked by inode_shape.
std::uint32_t encode_device(std::uint32_t major, std::uint32_t minor) {
    return (minor & 0xFF) | (major << 8) | ((minor & ~0xFFU) << 12);
}

/// log2 of the smallest chunk, in blocks, that holds the whole file.
std::uint32_t chunk_block_bits(std::uint64_t size_bytes) {
    const std::uint64_t blocks = align_up(size_bytes, kBlockBytes) / kBlockBytes;
    return static_cast<std::uint32_t>(std::bit_width(blocks - 1));
}

/// A UUID made from a digest (RFC 9562 version 8), because a random one would make two images of
/// one layer differ.
std::array<std::byte, 16> make_uuid(const Digest& digest) {
    std::array<std::byte, 16> uuid;
    std::ranges::copy_n(digest.raw().begin(), uuid.size(), uuid.begin());
    uuid[6] = (uuid[6] & std::byte{0x0F}) | std::byte{0x80};
    uuid[8] = (uuid[8] & std::byte{0x3F}) | std::byte{0x80};
    return uuid;
}

/// Collects small writes, and knows where in the image it is.
class ImageStream {
  public:
    explicit ImageStream(ByteSink& sink) : sink_(sink) { buffer_.reserve(2 * kBufferBytes); }

    std::uint64_t offset_bytes() const { return written_bytes_ + buffer_.size(); }

    Result<void> write(ByteView bytes) {
        buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
        return buffer_.size() < kBufferBytes ? Result<void>{} : flush();
    }

    /// Zeros up to `offset_bytes`, less than a block away.
    Result<void> pad_to(std::uint64_t offset_bytes) {
        const std::uint64_t here = this->offset_bytes();
        ASSERT(here <= offset_bytes && offset_bytes - here < kBlockBytes);
        buffer_.resize(buffer_.size() + (offset_bytes - here));
        return {};
    }

    Result<void> flush() {
        CHECK_OK(sink_.write(buffer_));
        written_bytes_ += buffer_.size();
        buffer_.clear();
        return {};
    }

  private:
    static constexpr std::size_t kBufferBytes = 256 << 10;
    ByteSink& sink_;
    Bytes buffer_;
    std::uint64_t written_bytes_ = 0;
};

class Writer {
  public:
    Writer(const FileTree& tree, const ErofsOptions& options, const Layout& layout, ByteSink& out)
        : tree_(tree), options_(options), layout_(layout), out_(out) {}

    Result<void> run() {
        CHECK_OK(write_first_block());
        for (NodeId node : layout_.order) {
            CHECK_OK(write_inode(node));
        }
        CHECK_OK(out_.pad_to(align_up(out_.offset_bytes(), kBlockBytes)));
        ASSERT(out_.offset_bytes() == std::uint64_t{layout_.first_data_block} * kBlockBytes);
        for (NodeId node : layout_.order) {
            CHECK_OK(write_data_blocks(node));
        }
        ASSERT(out_.offset_bytes() == std::uint64_t{layout_.blocks} * kBlockBytes);
        return out_.flush();
    }

  private:
    Result<void> write_first_block() {
        constexpr std::uint64_t kDeviceOffsetBytes = kSuperblockOffsetBytes + sizeof(Superblock);
        static_assert(kDeviceOffsetBytes % sizeof(DeviceSlot) == 0);
        Superblock superblock{
            .root_nid = static_cast<std::uint16_t>(layout_.nids[kRootNode]),
            .inode_count = layout_.order.size(),
            .blocks = layout_.blocks,
            .uuid = make_uuid(options_.identity),
            .device_table_slot = kDeviceOffsetBytes / sizeof(DeviceSlot),
        };
        ASSERT(superblock.root_nid == layout_.nids[kRootNode]);
        const DeviceSlot device{
            .blocks = static_cast<std::uint32_t>(tree_.disk_size_bytes / kBlockBytes)};

        Bytes block(kBlockBytes);
        std::ranges::copy(bytes_of(superblock), block.begin() + kSuperblockOffsetBytes);
        std::ranges::copy(bytes_of(device), block.begin() + kDeviceOffsetBytes);
        // ISA-L's crc32_iscsi is the bare CRC-32C: no complement at either end.
        superblock.checksum =
            crc32_iscsi(reinterpret_cast<unsigned char*>(block.data() + kSuperblockOffsetBytes),
                        static_cast<int>(kBlockBytes - kSuperblockOffsetBytes), kChecksumInit);
        std::ranges::copy(bytes_of(superblock), block.begin() + kSuperblockOffsetBytes);
        return out_.write(block);
    }

    Result<void> write_inode(NodeId node_id) {
        const Node& node = tree_.nodes[node_id];
        TRY(const InodeShape shape, shape_of(node_id));
        TRY(const Bytes xattrs, encode_xattrs(node, options_.user_xattrs));
        const std::size_t xattr_units = (xattrs.size() - sizeof(XattrHeader)) / 4;
        const ExtendedInode inode{
            .format = extended_inode_format(shape.layout),
            .xattr_count =
                static_cast<std::uint16_t>(xattrs.empty() ? std::size_t{0} : 1 + xattr_units),
            .mode = file_mode(node),
            .size_bytes = shape.size_bytes,
            .data = data_field(node_id, shape),
            .inode_number = node_id + 1,
            .uid = node.uid,
            .gid = node.gid,
            .mtime_s = static_cast<std::uint64_t>(node.mtime_s),
            .link_count = std::max(node.link_count, 1U),
        };
        CHECK_OK(out_.pad_to(layout_.inode_offset_bytes(node_id)));
        CHECK_OK(out_.write(bytes_of(inode)));
        CHECK_OK(out_.write(xattrs));
        return write_inline(node_id, shape);
    }

    std::uint32_t data_field(NodeId node_id, const InodeShape& shape) const {
        const Node& node = tree_.nodes[node_id];
        if (shape.layout == DataLayout::chunk_based) {
            return kChunkFormatIndexes | chunk_block_bits(shape.size_bytes);
        }
        if (node.type == FileType::character || node.type == FileType::block) {
            return encode_device(node.device_major, node.device_minor);
        }
        return shape.blocks > 0 ? layout_.data_blocks[node_id] : 0;
    }

    Result<void> write_inline(NodeId node_id, const InodeShape& shape) {
        const Node& node = tree_.nodes[node_id];
        if (shape.layout == DataLayout::chunk_based) {
            CHECK_OK(out_.pad_to(align_up(out_.offset_bytes(), sizeof(ChunkIndex))));
            return out_.write(bytes_of(ChunkIndex{
                .block = static_cast<std::uint32_t>(node.disk_offset_bytes / kBlockBytes)}));
        }
        if (shape.layout != DataLayout::flat_inline) {
            return {};
        }
        if (node.type == FileType::symlink) {
            return out_.write(as_bytes(node.link_target));
        }
        return write_directory(node_id, shape.blocks, shape.blocks + 1);
    }

    Result<void> write_data_blocks(NodeId node_id) {
        const Node& node = tree_.nodes[node_id];
        if (node.type != FileType::directory && node.type != FileType::symlink) {
            return {};
        }
        TRY(const InodeShape shape, shape_of(node_id));
        if (shape.blocks == 0) {
            return {};
        }
        if (node.type == FileType::symlink) {
            CHECK_OK(out_.write(as_bytes(node.link_target)));
        } else {
            CHECK_OK(write_directory(node_id, 0, shape.blocks));
        }
        return out_.pad_to(align_up(out_.offset_bytes(), kBlockBytes));
    }

    /// Blocks [first_block, end_block) of a directory: each whole, but the directory's last only as
    /// long as it is.
    Result<void> write_directory(NodeId node_id, std::uint32_t first_block,
                                 std::uint32_t end_block) {
        const DirectoryListing listing = listing_of(node_id);
        const auto target = [this](NodeId node) {
            return RecordTarget{.nid = layout_.nids[node],
                                .file_type = record_type(tree_.nodes[node].type)};
        };
        std::size_t next_entry = 0;
        for (std::uint32_t number = 0; number < end_block; ++number) {
            const DirectoryBlock block = directory_block(listing, next_entry);
            next_entry = block.end;
            if (number < first_block) {
                continue;
            }
            Bytes bytes(next_entry < listing.size() ? kBlockBytes : block.size_bytes);
            write_directory_block(listing, block, target, bytes);
            CHECK_OK(out_.write(bytes));
        }
        return {};
    }

    DirectoryListing listing_of(NodeId node) const {
        return {tree_.nodes[node], node, layout_.parents[node]};
    }
    Result<InodeShape> shape_of(NodeId node) const {
        return inode_shape(tree_, node, layout_.parents[node], options_.user_xattrs);
    }

    const FileTree& tree_;
    const ErofsOptions& options_;
    const Layout& layout_;
    ImageStream out_;
};

}  // namespace
}  // namespace lazybuild::codec::erofs

namespace lazybuild::codec {

Result<void> write_erofs(const FileTree& tree, const ErofsOptions& options, ByteSink& out) {
    TRY(const erofs::Layout layout, erofs::plan_layout(tree, options.user_xattrs));
    return erofs::Writer{tree, options, layout, out}.run();
}

}  // namespace lazybuild::codec
