// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/store/chunk_table.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "base/file.h"

namespace lazybuild::store {
namespace {

constexpr std::string_view kMagic = "LZBCHUNK";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 64;

constexpr std::uint16_t kNoFormat = 0xffff;

Bytes table_header(std::size_t records, std::uint64_t disk_size_bytes, std::uint64_t data_end_bytes,
                   std::uint16_t format) {
    Bytes header(kHeaderBytes);
    std::ranges::copy(as_bytes(kMagic), header.begin());
    store_le<std::uint32_t>(header, 8, kVersion);
    store_le<std::uint32_t>(header, 12, sizeof(ChunkRecord));
    store_le<std::uint64_t>(header, 16, records);
    store_le<std::uint64_t>(header, 24, disk_size_bytes);
    store_le<std::uint64_t>(header, 32, data_end_bytes);
    store_le<std::uint16_t>(header, 40, format);
    return header;
}

Result<ChunkRecord> record_of(const codec::Node& node, const codec::Chunk& chunk) {
    if (chunk.size_bytes == 0 || chunk.size_bytes > kChunkBytesMax) {
        return fail(over_limit(
            fmt::format("a chunk of {} bytes; the limit is {}", chunk.size_bytes, kChunkBytesMax)));
    }
    // The recorded bound runs to the next member; what is not needed of it is not fetched.
    const std::uint64_t blob_size = std::min(chunk.blob_size_bytes, kMemberBytesMax);
    return ChunkRecord{.disk_offset_bytes = node.disk_offset_bytes + chunk.file_offset_bytes,
                       .blob_offset_bytes = chunk.blob_offset_bytes,
                       .member_offset_bytes = chunk.member_offset_bytes,
                       .size_bytes = static_cast<std::uint32_t>(chunk.size_bytes),
                       .blob_size_bytes = static_cast<std::uint32_t>(blob_size),
                       .digest = chunk.digest.raw()};
}

}  // namespace

Result<void> ChunkTable::write(const codec::FileTree& tree, const codec::LayerFormat& format,
                               std::uint64_t data_end_bytes, const std::string& path) {
    std::vector<ChunkRecord> records;
    records.reserve(tree.chunks.size());
    for (const codec::Node& node : tree.nodes) {
        for (std::uint32_t i = 0; i < node.chunk_count; ++i) {
            TRY(ChunkRecord record, record_of(node, tree.chunks[node.first_chunk + i]));
            records.push_back(record);
        }
    }
    if (records.size() > std::numeric_limits<ChunkIndex>::max()) {
        return fail(over_limit("more chunks than a table can number"));
    }
    std::ranges::sort(records, {}, &ChunkRecord::disk_offset_bytes);

    Bytes file = table_header(records.size(), tree.disk_size_bytes, data_end_bytes, format.number);
    const auto bytes = std::as_bytes(std::span{records});
    file.insert(file.end(), bytes.begin(), bytes.end());
    return replace_file(path, file);
}

Result<void> ChunkTable::write_whole(std::uint64_t disk_size_bytes, const std::string& path) {
    return replace_file(path, table_header(0, disk_size_bytes, 0, kNoFormat));
}

Result<ChunkTable> ChunkTable::open(const std::string& path) {
    TRY(Fd file, open_file(path, O_RDONLY));
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) {
        return fail(errno_error("fstat " + path));
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size < kHeaderBytes) {
        return fail(corrupt(path + ": too short for a chunk table"));
    }
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (address == MAP_FAILED) {
        return fail(errno_error("mmap " + path));
    }
    ChunkTable table;
    table.mapping_ = {static_cast<const std::byte*>(address), size};
    const ByteView header = table.mapping_.first(kHeaderBytes);
    const auto count = load_le<std::uint64_t>(header, 16);
    const auto format = load_le<std::uint16_t>(header, 40);
    table.format_ = codec::find_layer_format(format);
    const bool whole = format == kNoFormat && count == 0;
    if (as_text(header.first(kMagic.size())) != kMagic ||
        load_le<std::uint32_t>(header, 8) != kVersion ||
        load_le<std::uint32_t>(header, 12) != sizeof(ChunkRecord) ||
        count != (size - kHeaderBytes) / sizeof(ChunkRecord) ||
        (size - kHeaderBytes) % sizeof(ChunkRecord) != 0 || (table.format_ == nullptr && !whole)) {
        return fail(corrupt(path + ": not a chunk table of this version"));
    }
    table.records_ = {reinterpret_cast<const ChunkRecord*>(table.mapping_.data() + kHeaderBytes),
                      count};
    table.disk_size_bytes_ = load_le<std::uint64_t>(header, 24);
    table.data_end_bytes_ = load_le<std::uint64_t>(header, 32);
    return table;
}

ChunkTable::ChunkTable(ChunkTable&& other) noexcept
    : mapping_(std::exchange(other.mapping_, {})),
      records_(std::exchange(other.records_, {})),
      disk_size_bytes_(other.disk_size_bytes_),
      data_end_bytes_(other.data_end_bytes_),
      format_(other.format_) {}

ChunkTable& ChunkTable::operator=(ChunkTable&& other) noexcept {
    if (this != &other) {
        unmap();
        mapping_ = std::exchange(other.mapping_, {});
        records_ = std::exchange(other.records_, {});
        disk_size_bytes_ = other.disk_size_bytes_;
        data_end_bytes_ = other.data_end_bytes_;
        format_ = other.format_;
    }
    return *this;
}

ChunkTable::~ChunkTable() {
    unmap();
}

void ChunkTable::unmap() {
    if (!mapping_.empty()) {
        ::munmap(const_cast<std::byte*>(mapping_.data()), mapping_.size());
        mapping_ = {};
    }
}

ChunkTable::Run ChunkTable::overlapping(std::uint64_t offset_bytes,
                                        std::uint64_t size_bytes) const {
    const auto end_of = [](const ChunkRecord& record) {
        return record.disk_offset_bytes + record.size_bytes;
    };
    const auto first = std::ranges::upper_bound(records_, offset_bytes, {}, end_of);
    const auto last = std::ranges::lower_bound(records_, offset_bytes + size_bytes, {},
                                               &ChunkRecord::disk_offset_bytes);
    const auto begin = static_cast<ChunkIndex>(first - records_.begin());
    const auto end = static_cast<ChunkIndex>(last - records_.begin());
    return {.begin = begin, .end = std::max(begin, end)};
}

}  // namespace lazybuild::store
