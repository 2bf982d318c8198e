// SPDX-License-Identifier: Apache-2.0
// Bytes are collected into batches, each a run of the disk with whole pieces of files in it. A
// sealed batch is written with one call and its pieces are hashed side by side; a file of several
// pieces is hashed as a whole beside that. Digests are put into the tree at the end, because the
// tree is what is built first.
#include "snapshotter/store/disk_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/file.h"
#include "codec/erofs_writer.h"
#include "codec/sha256_many.h"
#include "codec/tree_digest.h"
#include "codec/tree_index.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::store {
namespace {

constexpr std::size_t kBatchBytes = 2 << 20;
constexpr std::size_t kBatchesMax = 6;
static_assert(kBatchBytes >= codec::kPieceBytes);
static_assert(codec::kPieceBytes % codec::kDiskAlignment == 0);

std::vector<codec::Chunk> cut(std::uint64_t size_bytes, std::uint64_t disk_offset_bytes) {
    std::vector<codec::Chunk> chunks;
    chunks.reserve(size_bytes / codec::kPieceBytes + 1);
    for (std::uint64_t at = 0; at < size_bytes; at += codec::kPieceBytes) {
        const std::uint64_t piece_bytes = std::min(codec::kPieceBytes, size_bytes - at);
        chunks.push_back({.file_offset_bytes = at,
                          .size_bytes = piece_bytes,
                          .blob_offset_bytes = disk_offset_bytes + at,
                          .blob_size_bytes = piece_bytes});
    }
    return chunks;
}

}  // namespace

DiskWriter::DiskWriter(std::string directory, Fd disk, Workers& workers)
    : directory_(std::move(directory)),
      disk_(std::move(disk)),
      large_file_(workers),
      batches_(workers) {}

Result<std::unique_ptr<DiskWriter>> DiskWriter::create(std::string directory, Workers& workers) {
    TRY(Fd disk, open_file(disk_path(directory), O_RDWR | O_CREAT | O_EXCL, 0600));
    return std::unique_ptr<DiskWriter>{
        new DiskWriter(std::move(directory), std::move(disk), workers)};
}

Result<void> DiskWriter::begin(codec::LayerEntry entry) {
    if (file_rest_bytes_ > 0) {
        return fail(invalid(fmt::format("\"{}\" follows a file that lacks {} bytes", entry.path,
                                        file_rest_bytes_)));
    }
    const bool file = entry.kind == codec::LayerEntry::Kind::file &&
                      entry.type == codec::FileType::regular && entry.size_bytes > 0;
    const std::uint64_t size_bytes = file ? entry.size_bytes : 0;
    if (size_bytes > codec::kDiskBytesMax - disk_end_bytes_) {
        return fail(over_limit(fmt::format("more than {} bytes of files", codec::kDiskBytesMax)));
    }
    entry.content.reset();
    entry.chunks.clear();
    if (!file) {
        return builder_.add(std::move(entry));
    }
    if (size_bytes / codec::kPieceBytes > codec::kLayerChunksMax) {
        return fail(over_limit(fmt::format("\"{}\" of {} bytes", entry.path, size_bytes)));
    }
    entry.chunks = cut(size_bytes, disk_end_bytes_);
    CHECK_OK(builder_.add(std::move(entry)));
    files_.push_back({.disk_offset_bytes = disk_end_bytes_, .first_digest = digests_.size()});
    disk_end_bytes_ += codec::kDiskAlignment * ((size_bytes - 1) / codec::kDiskAlignment + 1);
    file_size_bytes_ = size_bytes;
    file_rest_bytes_ = size_bytes;
    return begin_piece();
}

Result<void> DiskWriter::payload(ByteView bytes) {
    if (bytes.size() > file_rest_bytes_) {
        return fail(invalid("a file has more bytes than its entry says"));
    }
    if (file_size_bytes_ > codec::kPieceBytes) {
        large_file_.update(bytes);
    }
    while (!bytes.empty()) {
        const std::size_t count = std::min<std::uint64_t>(bytes.size(), piece_rest_bytes_);
        const auto end = bytes.begin() + static_cast<std::ptrdiff_t>(count);
        open_.bytes.insert(open_.bytes.end(), bytes.begin(), end);
        bytes = bytes.subspan(count);
        file_rest_bytes_ -= count;
        piece_rest_bytes_ -= count;
        if (piece_rest_bytes_ == 0) {
            CHECK_OK(end_piece());
        }
    }
    return {};
}

/// Of the file whose rest is to come: all of the piece will be in one batch.
Result<void> DiskWriter::begin_piece() {
    piece_rest_bytes_ = std::min(file_rest_bytes_, codec::kPieceBytes);
    if (align_up(open_.bytes.size(), codec::kDiskAlignment) + piece_rest_bytes_ > kBatchBytes) {
        CHECK_OK(seal());
    }
    // The gap behind the file before: zeros that cost no block.
    open_.bytes.resize(align_up(open_.bytes.size(), codec::kDiskAlignment));
    piece_begin_bytes_ = open_.bytes.size();
    return {};
}

Result<void> DiskWriter::end_piece() {
    open_.parts.push_back({.digest = digests_.size(),
                           .begin_bytes = piece_begin_bytes_,
                           .size_bytes = open_.bytes.size() - piece_begin_bytes_});
    digests_.emplace_back();
    if (file_rest_bytes_ > 0) {
        return begin_piece();
    }
    if (file_size_bytes_ > codec::kPieceBytes) {
        digests_.push_back(large_file_.finish());
    }
    return {};
}

// The next batch begins at the next piece.
Result<void> DiskWriter::seal() {
    Batch batch = std::exchange(open_, Batch{});
    open_.disk_offset_bytes =
        align_up(batch.disk_offset_bytes + batch.bytes.size(), codec::kDiskAlignment);
    if (batch.bytes.empty()) {
        return {};
    }
    batches_.submit([sealed = std::move(batch), disk = disk_.get()]() mutable {
        return carry_out(std::move(sealed), disk);
    });
    CHECK_OK(collect(kBatchesMax));
    if (!spare_.empty()) {
        open_.bytes = std::move(spare_.back());
        spare_.pop_back();
    }
    open_.bytes.reserve(kBatchBytes);
    return {};
}

DiskWriter::Hashed DiskWriter::carry_out(Batch batch, int disk) {
    std::vector<ByteView> messages;
    messages.reserve(batch.parts.size());
    for (const Part& part : batch.parts) {
        messages.push_back(ByteView{batch.bytes}.subspan(part.begin_bytes, part.size_bytes));
    }
    Hashed hashed{.parts = std::move(batch.parts), .digests = {}, .written = {}, .buffer = {}};
    hashed.digests.resize(messages.size());
    codec::sha256_each(messages, hashed.digests);
    hashed.written = pwrite_all(disk, batch.bytes, batch.disk_offset_bytes);
    hashed.buffer = std::move(batch.bytes);
    hashed.buffer.clear();
    return hashed;
}

/// Takes the results of batches, the oldest first, until at most `batches_max` are under way.
Result<void> DiskWriter::collect(std::size_t batches_max) {
    while (batches_.size() > batches_max) {
        Hashed hashed = batches_.take();
        if (!hashed.written) {
            return fail(std::move(hashed.written).error().context(disk_path(directory_)));
        }
        for (std::size_t i = 0; i < hashed.parts.size(); ++i) {
            digests_[hashed.parts[i].digest] = hashed.digests[i];
        }
        spare_.push_back(std::move(hashed.buffer));
    }
    return {};
}

/// The tree, with its digests, and with the places on the disk that the files have: a file that a
/// later entry replaced leaves a gap, which assign_disk_offsets knows nothing of.
Result<std::shared_ptr<codec::FileTree>> DiskWriter::finish_tree() {
    TRY(codec::FileTree built, std::move(builder_).finish());
    auto tree = std::make_shared<codec::FileTree>(std::move(built));
    for (codec::Node& node : tree->nodes) {
        if (node.chunk_count == 0) {
            continue;
        }
        const std::span chunks =
            std::span{tree->chunks}.subspan(node.first_chunk, node.chunk_count);
        node.disk_offset_bytes = chunks.front().blob_offset_bytes;
        const auto file =
            std::ranges::lower_bound(files_, node.disk_offset_bytes, {}, &File::disk_offset_bytes);
        ASSERT(file != files_.end() && file->disk_offset_bytes == node.disk_offset_bytes);
        auto digest = digests_.begin() + static_cast<std::ptrdiff_t>(file->first_digest);
        node.content = chunks.size() == 1 ? *digest : digest[node.chunk_count];
        for (codec::Chunk& chunk : chunks) {
            chunk.digest = *digest++;
        }
    }
    tree->disk_size_bytes = disk_end_bytes_;
    return tree;
}

Result<WrittenDisk> DiskWriter::finish(const DiskWriterOptions& options) {
    if (file_rest_bytes_ > 0) {
        return fail(invalid(fmt::format("the last file lacks {} bytes", file_rest_bytes_)));
    }
    CHECK_OK(seal());
    CHECK_OK(collect(0));
    TRY(const std::shared_ptr<codec::FileTree> tree, finish_tree());
    if (::ftruncate(disk_.get(), static_cast<off_t>(disk_end_bytes_)) != 0) {
        return fail(errno_error("ftruncate " + disk_path(directory_)));
    }
    const std::optional<codec::Digest> digest = codec::tree_digest(*tree);
    ASSERT(digest);  // each file is cut into pieces
    WrittenDisk written{.tree = tree, .tree_digest = *digest};
    CHECK_OK(
        write_metadata(*tree, options.identity.value_or(written.tree_digest), options.durable));
    if (options.durable) {
        if (::fdatasync(disk_.get()) != 0) {
            return fail(errno_error("fdatasync " + disk_path(directory_)));
        }
        CHECK_OK(sync_directory(directory_));
    }
    return written;
}

Result<void> DiskWriter::write_metadata(const codec::FileTree& tree, const codec::Digest& identity,
                                        bool durable) const {
    const auto write = [durable](const std::string& path, const auto& content) -> Result<void> {
        TRY(const Fd file, open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
        FdSink sink{file.get()};
        CHECK_OK(content(sink));
        if (durable && ::fsync(file.get()) != 0) {
            return fail(errno_error("fsync " + path));
        }
        return {};
    };
    CHECK_OK(write(tree_path(directory_), [&tree, &identity](ByteSink& out) {
        return codec::write_erofs(tree, {.identity = identity}, out);
    }));
    return write(index_path(directory_),
                 [&tree](ByteSink& out) { return codec::write_tree_index(tree, out); });
}

}  // namespace lazybuild::store
