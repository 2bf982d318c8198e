// SPDX-License-Identifier: Apache-2.0
// The parts of the EROFS on-disk format that a metadata image over one external device uses.
//
// Source: the Linux kernel's Documentation/filesystems/erofs.rst and the format's own structures as
// of Linux 5.16 (multiple devices, chunk-based files); nothing newer is used, so that every kernel
// from there on mounts the image. All integers are little-endian, all structures naturally aligned.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "base/bytes.h"

namespace lazybuild::codec::erofs {

static_assert(std::endian::native == std::endian::little);

inline constexpr unsigned kBlockBits = 12;
inline constexpr std::uint32_t kBlockBytes = 1U << kBlockBits;

inline constexpr std::uint64_t kSuperblockOffsetBytes = 1024;
inline constexpr std::uint32_t kMagic = 0xE0F5E1E2;

inline constexpr std::uint32_t kCompatChecksum = 0x1;
inline constexpr std::uint32_t kCompatMtime = 0x2;
inline constexpr std::uint32_t kIncompatChunkedFile = 0x4;
inline constexpr std::uint32_t kIncompatDeviceTable = 0x8;

struct Superblock {
    std::uint32_t magic = kMagic;
    std::uint32_t checksum = 0;  ///< CRC-32C, see kChecksumInit
    std::uint32_t feature_compat = kCompatChecksum | kCompatMtime;
    std::uint8_t block_bits = kBlockBits;
    std::uint8_t extension_slots = 0;
    std::uint16_t root_nid = 0;
    std::uint64_t inode_count = 0;
    std::uint64_t epoch_s = 0;  ///< of compact inodes, of which there are none
    std::uint32_t fixed_nsec = 0;
    std::uint32_t blocks = 0;  ///< of the image itself
    std::uint32_t metadata_block = 0;
    std::uint32_t xattr_block = 0;
    std::array<std::byte, 16> uuid{};
    std::array<char, 16> volume_name{};
    std::uint32_t feature_incompat = kIncompatChunkedFile | kIncompatDeviceTable;
    std::uint16_t compression = 0;
    std::uint16_t extra_devices = 1;
    std::uint16_t device_table_slot = 0;  ///< in units of sizeof(DeviceSlot)
    std::uint8_t directory_block_bits = 0;
    std::array<std::uint8_t, 37> reserved{};
};
static_assert(sizeof(Superblock) == 128 && std::is_trivially_copyable_v<Superblock>);
static_assert(offsetof(Superblock, root_nid) == 14 && offsetof(Superblock, blocks) == 36);
static_assert(offsetof(Superblock, uuid) == 48 && offsetof(Superblock, feature_incompat) == 80);
static_assert(offsetof(Superblock, extra_devices) == 86);
static_assert(offsetof(Superblock, device_table_slot) == 88);

/// The checksum runs from the superblock to the end of its block with the field itself 0; no final
/// complement.
inline constexpr std::uint32_t kChecksumInit = 0xFFFFFFFF;

struct DeviceSlot {
    std::array<char, 64> tag{};
    std::uint32_t blocks = 0;
    std::uint32_t mapped_block = 0;  ///< 0: not part of the image's own address space
    std::array<std::byte, 56> reserved{};
};
static_assert(sizeof(DeviceSlot) == 128);

/// An inode's number ("nid") is its place: kInodeSlotBytes * nid from the metadata block.
inline constexpr std::uint32_t kInodeSlotBytes = 32;

enum class DataLayout : std::uint16_t {
    flat_plain = 0,   ///< whole blocks, from `data`
    flat_inline = 2,  ///< whole blocks from `data`, the rest behind the inode and its xattrs
    chunk_based = 4,  ///< chunk indexes behind the inode and its xattrs
};
constexpr std::uint16_t extended_inode_format(DataLayout layout) {
    constexpr std::uint16_t kExtended = 1;
    return static_cast<std::uint16_t>(kExtended | (static_cast<std::uint16_t>(layout) << 1));
}

struct ExtendedInode {
    std::uint16_t format = 0;
    std::uint16_t xattr_count = 0;  ///< 0, or 1 + (bytes behind the xattr header) / 4
    std::uint16_t mode = 0;         ///< S_IFMT included
    std::uint16_t reserved1 = 0;
    std::uint64_t size_bytes = 0;
    std::uint32_t data = 0;  ///< first block, rdev or chunk format
    std::uint32_t inode_number = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint64_t mtime_s = 0;
    std::uint32_t mtime_nsec = 0;
    std::uint32_t link_count = 0;
    std::array<std::byte, 16> reserved2{};
};
static_assert(sizeof(ExtendedInode) == 64 && std::is_trivially_copyable_v<ExtendedInode>);
static_assert(offsetof(ExtendedInode, mtime_s) == 32 && offsetof(ExtendedInode, link_count) == 44);

/// `data` of a chunk-based inode: log2 of the chunk size in blocks, and that 8-byte indexes follow.
inline constexpr std::uint32_t kChunkFormatIndexes = 0x20;
inline constexpr std::uint32_t kChunkBlockBitsMax = 31;

struct ChunkIndex {
    std::uint16_t block_high = 0;
    std::uint16_t device = 1;  ///< 1: the first extra device
    std::uint32_t block = 0;
};
static_assert(sizeof(ChunkIndex) == 8);
inline constexpr std::uint32_t kNoBlock = 0xFFFFFFFF;  ///< a hole; no chunk may start there

struct XattrHeader {
    std::uint32_t name_filter = 0;  ///< unused without its feature bit
    std::uint8_t shared_count = 0;
    std::array<std::uint8_t, 7> reserved{};
};
static_assert(sizeof(XattrHeader) == 12);

struct XattrEntry {
    std::uint8_t name_size = 0;  ///< without the prefix that name_index stands for
    std::uint8_t name_index = 0;
    std::uint16_t value_size = 0;
    // name, value, padding to 4
};
static_assert(sizeof(XattrEntry) == 4);

/// A directory block: records, then the names. A record is nid u64, name offset in the block u16,
/// file type u8, 0 u8; the first one's name offset tells how many there are. Records are in the
/// order of their names' bytes over the whole directory, "." and ".." included.
inline constexpr std::size_t kDirectoryRecordBytes = 12;
inline constexpr std::size_t kRecordNameOffsetAt = 8;
inline constexpr std::size_t kRecordFileTypeAt = 10;

/// The bytes of one of these structures.
template <class Structure>
    requires std::is_trivially_copyable_v<Structure>
ByteView bytes_of(const Structure& structure) {
    return std::as_bytes(std::span{&structure, 1});
}

}  // namespace lazybuild::codec::erofs
