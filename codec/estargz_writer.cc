// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "codec/estargz_footer.h"
#include "codec/estargz_order.h"
#include "codec/estargz_time.h"
#include "codec/estargz_toc.h"
#include "codec/estargz_toc_json.h"
#include "codec/gzip.h"
#include "codec/sha256.h"
#include "codec/tar.h"

namespace lazybuild::codec {
namespace {

constexpr std::size_t kCopyBytes = 256 << 10;
constexpr std::uint64_t kChunkSizeBytesMin = 4 << 10;
constexpr std::byte kLandmarkContent{0x0f};
constexpr std::uint32_t kOwnFileMode = 0644;

/// Counts and digests what passes through to `next`, or to nowhere.
class DigestSink final : public ByteSink {
  public:
    explicit DigestSink(ByteSink* next = nullptr) : next_(next) {}

    Result<void> write(ByteView bytes) override {
        size_bytes_ += bytes.size();
        running_.update(bytes);
        return next_ == nullptr ? Result<void>{} : next_->write(bytes);
    }
    std::uint64_t size_bytes() const { return size_bytes_; }
    Digest finish() { return running_.finish(); }

  private:
    ByteSink* next_;
    Sha256 running_;
    std::uint64_t size_bytes_ = 0;
};

struct WrittenChunk {
    std::uint64_t blob_offset_bytes;
    Digest digest;
};

/// What the TOC says about an entry that its tar header does not.
struct WrittenEntry {
    Digest digest;                ///< of a regular file
    std::size_t first_chunk = 0;  ///< of a file that is not empty
};

/// A name is said only where it differs from the last one said for its number.
class NameMemory {
  public:
    std::string if_changed(std::uint32_t id, const std::string& name) {
        if (name.empty()) {
            return {};
        }
        std::string& last = last_[id];
        return std::exchange(last, name) == name ? std::string{} : name;
    }

  private:
    std::unordered_map<std::uint32_t, std::string> last_;
};

std::string_view toc_type(const LayerEntry& entry) {
    if (entry.kind == LayerEntry::Kind::hardlink) {
        return "hardlink";
    }
    switch (entry.type) {
        case FileType::regular: return "reg";
        case FileType::directory: return "dir";
        case FileType::symlink: return "symlink";
        case FileType::character: return "char";
        case FileType::block: return "block";
        case FileType::fifo: return "fifo";
    }
    std::unreachable();
}

bool is_regular(const LayerEntry& entry) {
    return entry.kind == LayerEntry::Kind::file && entry.type == FileType::regular;
}

/// What stands in the TOC about an entry of any type.
TocEntry toc_line(const LayerEntry& entry) {
    TocEntry line;
    line.name = entry.path;
    line.type = toc_type(entry);
    line.size_bytes = is_regular(entry) ? entry.size_bytes : 0;
    line.modtime = entry.mtime_s == 0 ? std::string{} : format_rfc3339(entry.mtime_s);
    line.mode = entry.mode;
    line.uid = entry.uid;
    line.gid = entry.gid;
    line.xattrs = entry.xattrs;
    if (entry.kind == LayerEntry::Kind::hardlink || entry.type == FileType::symlink) {
        line.link_name = entry.link_target;
    }
    if (entry.type == FileType::character || entry.type == FileType::block) {
        line.device_major = entry.device_major;
        line.device_minor = entry.device_minor;
    }
    return line;
}

TarEntry own_file(std::string_view path, std::uint64_t size_bytes) {
    TarEntry file;
    file.entry.path = path;
    file.entry.mode = kOwnFileMode;
    file.entry.size_bytes = size_bytes;
    return file;
}

/// Writes the blob front to back. Its gzip members start where the format says: at the front, at
/// each chunk, at the TOC.
class BlobWriter {
  public:
    BlobWriter(const RandomAccess& tar, const EstargzOptions& options, ByteSink& out)
        : tar_(tar),
          options_(options),
          blob_(&out),
          gzip_(blob_, options.level),
          uncompressed_(&gzip_),
          buffer_(kCopyBytes) {}

    /// `landmark`: index in `entries` of the one that is not in the source.
    Result<void> write_entries(const std::vector<TarEntry>& entries, std::size_t landmark);
    Result<EstargzResult> write_toc_and_footer(const std::vector<TarEntry>& entries);

  private:
    Result<std::uint64_t> start_next_member();
    Result<void> copy_from_tar(std::uint64_t offset_bytes, std::uint64_t size_bytes, Sha256* chunk,
                               Sha256* file);
    Result<WrittenEntry> write_payload(const TarEntry& file);
    Result<WrittenEntry> write_landmark(const TarEntry& file);
    Result<void> write_toc_json(const std::vector<TarEntry>& entries, ByteSink& out) const;
    Result<void> write_toc_file(TocEntry first, const WrittenEntry& written,
                                TocJsonWriter& json) const;

    const RandomAccess& tar_;
    const EstargzOptions& options_;
    DigestSink blob_;
    GzipWriter gzip_;
    DigestSink uncompressed_;
    Bytes buffer_;
    std::vector<WrittenEntry> written_;
    std::vector<WrittenChunk> chunks_;
};

/// Returns where in the blob the new member starts.
Result<std::uint64_t> BlobWriter::start_next_member() {
    CHECK_OK(gzip_.end_member());
    const std::uint64_t blob_offset_bytes = gzip_.compressed_bytes();
    CHECK_OK(gzip_.start_member());
    return blob_offset_bytes;
}

Result<void> BlobWriter::write_entries(const std::vector<TarEntry>& entries, std::size_t landmark) {
    written_.reserve(entries.size());
    CHECK_OK(gzip_.start_member());
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const TarEntry& next = entries[i];
        if (i == landmark) {
            TRY(WrittenEntry written, write_landmark(next));
            written_.push_back(written);
            continue;
        }
        CHECK_OK(copy_from_tar(next.header_offset_bytes,
                               next.payload_offset_bytes - next.header_offset_bytes, nullptr,
                               nullptr));
        WrittenEntry written;
        if (is_regular(next.entry)) {
            auto payload = write_payload(next);
            if (!payload) {
                return fail(std::move(payload).error().context(next.entry.path));
            }
            written = *payload;
        }
        written_.push_back(written);
    }
    return {};
}

/// Hashes into `chunk` and `file` on the way, where they are given.
Result<void> BlobWriter::copy_from_tar(std::uint64_t offset_bytes, std::uint64_t size_bytes,
                                       Sha256* chunk, Sha256* file) {
    while (size_bytes > 0) {
        const MutableByteView piece = MutableByteView{buffer_}.first(
            static_cast<std::size_t>(std::min<std::uint64_t>(size_bytes, kCopyBytes)));
        CHECK_OK(tar_.read_at(offset_bytes, piece));
        for (Sha256* digest : {chunk, file}) {
            if (digest != nullptr) {
                digest->update(piece);
            }
        }
        CHECK_OK(uncompressed_.write(piece));
        offset_bytes += piece.size();
        size_bytes -= piece.size();
    }
    return {};
}

Result<WrittenEntry> BlobWriter::write_payload(const TarEntry& file) {
    const std::uint64_t size_bytes = file.entry.size_bytes;
    const bool several = size_bytes > options_.chunk_size_bytes;
    WrittenEntry written{.digest = {}, .first_chunk = chunks_.size()};
    Sha256 whole;
    Sha256 part;
    for (std::uint64_t done = 0; done < size_bytes;) {
        const std::uint64_t now = std::min(size_bytes - done, options_.chunk_size_bytes);
        TRY(std::uint64_t blob_offset_bytes, start_next_member());
        CHECK_OK(copy_from_tar(file.payload_offset_bytes + done, now, &part,
                               several ? &whole : nullptr));
        chunks_.push_back({.blob_offset_bytes = blob_offset_bytes, .digest = part.finish()});
        done += now;
    }
    written.digest = size_bytes > 0 && !several ? chunks_.back().digest : whole.finish();
    CHECK_OK(uncompressed_.write(tar_padding(size_bytes)));
    return written;
}

Result<WrittenEntry> BlobWriter::write_landmark(const TarEntry& file) {
    const ByteView content{&kLandmarkContent, 1};
    const WrittenEntry written{.digest = sha256(content), .first_chunk = chunks_.size()};
    CHECK_OK(uncompressed_.write(tar_header(file)));
    TRY(std::uint64_t blob_offset_bytes, start_next_member());
    chunks_.push_back({.blob_offset_bytes = blob_offset_bytes, .digest = written.digest});
    CHECK_OK(uncompressed_.write(content));
    CHECK_OK(uncompressed_.write(tar_padding(content.size())));
    return written;
}

Result<void> BlobWriter::write_toc_file(TocEntry first, const WrittenEntry& written,
                                        TocJsonWriter& json) const {
    const std::uint64_t size_bytes = first.size_bytes;
    const std::string name = first.name;
    first.digest = written.digest.text();
    TocEntry next = std::move(first);
    std::size_t chunk = written.first_chunk;
    for (std::uint64_t done = 0; done < size_bytes; ++chunk) {
        next.offset_bytes = chunks_[chunk].blob_offset_bytes;
        next.chunk_offset_bytes = done;
        next.chunk_digest = chunks_[chunk].digest.text();
        // A chunk without a size reaches to the end of its file.
        const bool full = size_bytes - done >= options_.chunk_size_bytes;
        next.chunk_size_bytes = full ? options_.chunk_size_bytes : 0;
        CHECK_OK(json.add(next));
        done += full ? options_.chunk_size_bytes : size_bytes - done;
        next = TocEntry{};
        next.name = name;
        next.type = "chunk";
    }
    return size_bytes == 0 ? json.add(next) : Result<void>{};
}

Result<void> BlobWriter::write_toc_json(const std::vector<TarEntry>& entries, ByteSink& out) const {
    TocJsonWriter json(out);
    NameMemory user_names;
    NameMemory group_names;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const LayerEntry& entry = entries[i].entry;
        TocEntry line = toc_line(entry);
        line.user_name = user_names.if_changed(entry.uid, entries[i].user_name);
        line.group_name = group_names.if_changed(entry.gid, entries[i].group_name);
        if (is_regular(entry)) {
            CHECK_OK(write_toc_file(std::move(line), written_[i], json));
        } else {
            CHECK_OK(json.add(line));
        }
    }
    return json.finish();
}

/// The tar header in front of the JSON holds its size, so the JSON is made twice: the first time
/// for its size and digest only. It may be large, and so it is never held.
Result<EstargzResult> BlobWriter::write_toc_and_footer(const std::vector<TarEntry>& entries) {
    DigestSink measured;
    CHECK_OK(write_toc_json(entries, measured));
    if (measured.size_bytes() > kTocBytesMax) {
        return fail(over_limit(fmt::format("a table of contents of {} bytes; the limit is {}",
                                           measured.size_bytes(), kTocBytesMax)));
    }
    TRY(std::uint64_t toc_offset_bytes, start_next_member());
    CHECK_OK(uncompressed_.write(tar_header(own_file(kTocName, measured.size_bytes()))));
    CHECK_OK(write_toc_json(entries, uncompressed_));
    CHECK_OK(uncompressed_.write(tar_padding(measured.size_bytes())));
    CHECK_OK(uncompressed_.write(tar_end()));
    CHECK_OK(gzip_.end_member());
    CHECK_OK(blob_.write(estargz_footer(toc_offset_bytes)));
    return EstargzResult{
        .blob = blob_.finish(),
        .blob_size_bytes = blob_.size_bytes(),
        .diff_id = uncompressed_.finish(),
        .uncompressed_size_bytes = uncompressed_.size_bytes(),
        .toc = measured.finish(),
        .prioritized_missing = {},
    };
}

Result<void> check(const EstargzOptions& options) {
    if (options.level < kGzipLevelMin || options.level > kGzipLevelMax) {
        return fail(invalid(fmt::format("compression level {}: it must be {} to {}", options.level,
                                        kGzipLevelMin, kGzipLevelMax)));
    }
    if (options.chunk_size_bytes < kChunkSizeBytesMin ||
        options.chunk_size_bytes > kChunkBytesMax) {
        return fail(
            invalid(fmt::format("chunk size {}: it must be {} to {} bytes",
                                options.chunk_size_bytes, kChunkSizeBytesMin, kChunkBytesMax)));
    }
    return {};
}

}  // namespace

Result<EstargzResult> write_estargz(const RandomAccess& tar, const EstargzOptions& options,
                                    ByteSink& out) {
    CHECK_OK(check(options));
    TRY(std::vector<TarEntry> found, index_tar(tar));
    TRY(EstargzOrder order, order_for_estargz(std::move(found), options.prioritized));
    const std::size_t landmark = order.prioritized_count;
    order.entries.insert(order.entries.begin() + static_cast<std::ptrdiff_t>(landmark),
                         own_file(landmark == 0 ? kNoPrefetchLandmark : kPrefetchLandmark, 1));
    BlobWriter writer(tar, options, out);
    CHECK_OK(writer.write_entries(order.entries, landmark));
    TRY(EstargzResult result, writer.write_toc_and_footer(order.entries));
    result.prioritized_missing = std::move(order.not_found);
    return result;
}

}  // namespace lazybuild::codec
