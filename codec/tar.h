// SPDX-License-Identifier: Apache-2.0
// Tar as container layers use it, read as a stream that knows where every byte stands, and written
// so that equal entries are equal bytes. What a layer index needs is exact offsets and the very
// bytes of the archive, which is why this is not libarchive.
//
// Read: ustar and pax interchange format (POSIX.1-2017 pax, "ustar Interchange Format"), GNU long
// names and base-256 numbers, and tar of Unix version 7. What is ambiguous is settled as Go's
// archive/tar settles it, because that is what containerd unpacks layers with.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/stream.h"
#include "codec/file_tree.h"

namespace lazybuild::codec {

struct TarExtensions;

inline constexpr std::size_t kTarBlockBytes = 512;
/// Of one extension header (PAX records, GNU long name), as Go's reader limits it.
inline constexpr std::uint64_t kTarExtensionBytesMax = 1 << 20;

/// One entry of an archive, and where it stands in it (uncompressed offsets).
struct TarEntry {
    LayerEntry entry;  ///< path as written ("./usr/bin/"), chunks empty
    std::string user_name;
    std::string group_name;
    std::uint64_t header_offset_bytes = 0;   ///< of its first block, extension headers included
    std::uint64_t payload_offset_bytes = 0;  ///< just after its last header block
};

/// Reads an archive from its start, entry by entry.
/// Ownership: what it reads from outlives it. Memory: one entry. One thread at a time.
class TarReader {
  public:
    explicit TarReader(ByteSource& source) : source_(&source) {}
    /// As above, but payloads that nobody asks for are stepped over, not read.
    explicit TarReader(const RandomAccess& archive) : archive_(&archive) {}

    /// The next entry, with the unread payload of the one before skipped; nullopt at the end
    /// marker, or where the archive ends cleanly without one. PAX global headers are ignored.
    /// A regular file has entry.size_bytes of payload; everything else has none.
    /// Errors: bad_message (a checksum, a number, a truncation, an unknown type), not_supported (a
    /// sparse file), over_limit; all name the entry and its offset. And those of the source. After
    /// one, no more calls.
    Result<std::optional<TarEntry>> next();

    /// Fills a prefix of `out` (not empty) with the payload of the entry that next() returned last;
    /// 0 at the payload's end. Errors: bad_message when the archive ends before the payload does.
    Result<std::size_t> read_payload(MutableByteView out);

    /// Bytes consumed so far. After next() returned nullopt: where the archive's end marker ends;
    /// what follows (padding to a record, garbage) is left in the source.
    std::uint64_t offset_bytes() const { return offset_bytes_; }

  private:
    using Block = std::array<std::byte, kTarBlockBytes>;

    Result<std::size_t> read_some(MutableByteView out);
    Result<std::size_t> read_up_to(MutableByteView out);
    Result<std::uint64_t> skip_up_to(std::uint64_t size_bytes);
    Result<bool> finish_payload();
    Result<bool> read_header(Block& block);
    Result<std::string> read_extension(const Block& block);
    Result<bool> take_extension(const Block& block, TarExtensions& extensions);
    Result<std::optional<TarEntry>> next_entry();

    ByteSource* source_ = nullptr;  // exactly one of these two
    const RandomAccess* archive_ = nullptr;
    std::uint64_t offset_bytes_ = 0;
    std::uint64_t header_offset_bytes_ = 0;  // of the current entry
    std::uint64_t payload_rest_bytes_ = 0;
    std::uint64_t padding_bytes_ = 0;  // after its payload
    bool ended_ = false;
};

/// Every entry of an archive, in order. Payloads are stepped over. Errors: as next();
/// over_limit past kLayerEntriesMax or kLayerTextBytesMax.
Result<std::vector<TarEntry>> index_tar(const RandomAccess& archive);
Result<std::vector<TarEntry>> index_tar(ByteSource& archive);

/// The header blocks of one entry: a ustar header, with a block of PAX records in front where
/// ustar cannot say it (long names, big numbers, times before 1970, xattrs). Equal entries give
/// equal bytes. A directory's path gets its trailing '/'. Payload and padding are the caller's.
/// The offsets and chunks of `entry` are ignored; its strings hold no NUL bytes, other than xattr
/// values.
Bytes tar_header(const TarEntry& entry);

/// The zeros between a payload of `size_bytes` and the next header: 0 to 511 of them.
ByteView tar_padding(std::uint64_t size_bytes);

/// The end marker: two blocks of zeros.
ByteView tar_end();

}  // namespace lazybuild::codec
