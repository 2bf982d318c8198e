// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_toc.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "codec/estargz_time.h"
#include "codec/estargz_toc_json.h"
#include "codec/gzip.h"
#include "codec/sha256.h"
#include "codec/tar.h"

namespace lazybuild::codec {
namespace {

constexpr std::uint64_t kTocBytesAlwaysFine = 1 << 20;
/// The tar header in front of the JSON and the zeros behind it; generous, for other writers.
constexpr std::uint64_t kTarWrapBytesMax = 64 << 10;
constexpr std::size_t kRestBytes = 64 << 10;

/// A regular file whose chunks are still coming.
struct PendingFile {
    LayerEntry entry;
    std::string digest;  ///< of the whole file; may be empty
    std::uint64_t covered_bytes = 0;
    bool lacks_chunk_digest = false;
    bool is_landmark = false;
};

Error bad_entry(std::string_view name, std::string_view reason) {
    constexpr std::size_t kShownBytesMax = 200;
    return corrupt(fmt::format("TOC: entry \"{}\": {}", name.substr(0, kShownBytesMax), reason));
}

/// Gives the entries of a TOC their meaning, in the order of the TOC.
class TocBuilder {
  public:
    explicit TocBuilder(std::uint64_t toc_offset_bytes) : toc_offset_bytes_(toc_offset_bytes) {}

    Result<void> add(TocEntry raw);
    Result<Toc> finish() &&;

  private:
    Result<LayerEntry> attributes(TocEntry& raw) const;
    Result<void> start_file(TocEntry raw, LayerEntry entry);
    Result<void> add_chunk(const TocEntry& raw);
    Result<void> finish_file();
    Result<void> finish_chunk_sizes(FileTree& tree);

    std::uint64_t toc_offset_bytes_;
    FileTreeBuilder builder_;
    std::optional<PendingFile> file_;
    std::vector<std::uint64_t> member_offsets_;
    std::optional<std::uint64_t> prefetch_end_bytes_;
};

Result<void> TocBuilder::add(TocEntry raw) {
    if (raw.type == "chunk") {
        if (!file_ || file_->entry.path != raw.name) {
            return fail(bad_entry(raw.name, "a chunk that does not follow its file"));
        }
        return add_chunk(raw);
    }
    CHECK_OK(finish_file());
    TRY(LayerEntry entry, attributes(raw));
    if (raw.type == "reg") {
        return start_file(std::move(raw), std::move(entry));
    }
    if (raw.type == "hardlink") {
        entry.kind = LayerEntry::Kind::hardlink;
    } else if (raw.type == "dir") {
        entry.type = FileType::directory;
    } else if (raw.type == "symlink") {
        entry.type = FileType::symlink;
    } else if (raw.type == "char") {
        entry.type = FileType::character;
    } else if (raw.type == "block") {
        entry.type = FileType::block;
    } else if (raw.type == "fifo") {
        entry.type = FileType::fifo;
    } else {
        return fail(bad_entry(raw.name, fmt::format("unknown type \"{}\"", raw.type)));
    }
    return builder_.add(std::move(entry));
}

/// What all types have; takes the strings out of `raw`, but for its name.
Result<LayerEntry> TocBuilder::attributes(TocEntry& raw) const {
    constexpr std::uint64_t kIdMax = std::numeric_limits<std::uint32_t>::max();
    if (raw.uid > kIdMax || raw.gid > kIdMax || raw.device_major > kIdMax ||
        raw.device_minor > kIdMax) {
        return fail(bad_entry(raw.name, "an owner or device number is out of range"));
    }
    constexpr std::uint64_t kModeMask = 07777;
    LayerEntry entry{
        .path = raw.name,
        .mode = static_cast<std::uint32_t>(raw.mode & kModeMask),
        .uid = static_cast<std::uint32_t>(raw.uid),
        .gid = static_cast<std::uint32_t>(raw.gid),
        .device_major = static_cast<std::uint32_t>(raw.device_major),
        .device_minor = static_cast<std::uint32_t>(raw.device_minor),
        .link_target = std::move(raw.link_name),
        .xattrs = std::move(raw.xattrs),
        .chunks = {},
    };
    if (!raw.modtime.empty()) {
        auto time_s = parse_rfc3339(raw.modtime);
        if (!time_s) {
            return fail(bad_entry(raw.name, time_s.error().message));
        }
        entry.mtime_s = *time_s;
    }
    return entry;
}

Result<void> TocBuilder::start_file(TocEntry raw, LayerEntry entry) {
    auto path = clean_path(raw.name);
    if (!path) {
        return fail(std::move(path).error().context("TOC"));
    }
    if (*path == kTocName) {
        return fail(bad_entry(raw.name, "a table of contents that lists itself"));
    }
    entry.size_bytes = raw.size_bytes;
    file_ = PendingFile{
        .entry = std::move(entry),
        .digest = std::move(raw.digest),
        .is_landmark = *path == kPrefetchLandmark || *path == kNoPrefetchLandmark,
    };
    if (*path == kPrefetchLandmark && raw.size_bytes > 0 && raw.offset_bytes > 0) {
        prefetch_end_bytes_ = raw.offset_bytes;
    }
    return raw.size_bytes == 0 ? Result<void>{} : add_chunk(raw);
}

Result<void> TocBuilder::add_chunk(const TocEntry& raw) {
    const std::uint64_t file_size_bytes = file_->entry.size_bytes;
    if (raw.chunk_offset_bytes != file_->covered_bytes || file_->covered_bytes >= file_size_bytes) {
        return fail(bad_entry(raw.name, "its chunks leave a gap or overlap"));
    }
    const std::uint64_t rest_bytes = file_size_bytes - file_->covered_bytes;
    const std::uint64_t size_bytes = raw.chunk_size_bytes == 0 ? rest_bytes : raw.chunk_size_bytes;
    if (size_bytes > rest_bytes) {
        return fail(bad_entry(raw.name, "a chunk reaches past the end of the file"));
    }
    if (size_bytes > kChunkBytesMax) {
        return fail(
            over_limit(fmt::format("TOC: entry \"{}\": a chunk of {} bytes; the limit is {}",
                                   raw.name, size_bytes, kChunkBytesMax)));
    }
    if (raw.offset_bytes >= toc_offset_bytes_) {
        return fail(bad_entry(raw.name, "its offset lies behind the layer's data"));
    }
    if (raw.offset_bytes == 0 && raw.inner_offset_bytes == 0) {
        return fail(bad_entry(raw.name, "it has no offset"));  // a tar header comes first
    }
    Chunk chunk{
        .file_offset_bytes = raw.chunk_offset_bytes,
        .size_bytes = size_bytes,
        .blob_offset_bytes = raw.offset_bytes,
        .member_offset_bytes = raw.inner_offset_bytes,
        .digest = {},
    };
    if (raw.chunk_digest.empty()) {
        file_->lacks_chunk_digest = true;
    } else {
        auto digest = Digest::parse(raw.chunk_digest);
        if (!digest) {
            return fail(bad_entry(raw.name, digest.error().message));
        }
        chunk.digest = *digest;
    }
    file_->entry.chunks.push_back(chunk);
    file_->covered_bytes += size_bytes;
    member_offsets_.push_back(raw.offset_bytes);
    return {};
}

/// Chunks are verified when they are read, so each needs a digest. The digest of a whole file is a
/// claim that nobody checks on the way; where it can be compared, it must not lie (design section
/// 3, "Trust").
Result<void> TocBuilder::finish_file() {
    if (!file_) {
        return {};
    }
    PendingFile file = *std::exchange(file_, std::nullopt);
    const std::string& name = file.entry.path;
    if (file.covered_bytes != file.entry.size_bytes) {
        return fail(bad_entry(name, "its chunks do not cover it"));
    }
    if (!file.digest.empty() && file.entry.chunks.size() == 1) {
        auto digest = Digest::parse(file.digest);
        if (!digest) {
            return fail(bad_entry(name, digest.error().message));
        }
        Chunk& chunk = file.entry.chunks.front();
        if (!file.lacks_chunk_digest && chunk.digest != *digest) {
            return fail(bad_entry(name, "digest and chunkDigest of its one chunk differ"));
        }
        chunk.digest = *digest;
    } else if (file.lacks_chunk_digest) {
        return fail(bad_entry(name, "without a chunkDigest it cannot be verified"));
    } else if (auto claim = Digest::parse(file.digest)) {
        file.entry.content = *claim;
    }
    return file.is_landmark ? Result<void>{} : builder_.add(std::move(file.entry));
}

/// A chunk's compressed bytes end, at the latest, where the next member starts.
Result<void> TocBuilder::finish_chunk_sizes(FileTree& tree) {
    std::ranges::sort(member_offsets_);
    const auto repeated = std::ranges::unique(member_offsets_);
    member_offsets_.erase(repeated.begin(), repeated.end());
    for (Chunk& chunk : tree.chunks) {
        const auto next = std::ranges::upper_bound(member_offsets_, chunk.blob_offset_bytes);
        const std::uint64_t end_bytes = next == member_offsets_.end() ? toc_offset_bytes_ : *next;
        chunk.blob_size_bytes = end_bytes - chunk.blob_offset_bytes;
        // Both are below 2^63, and so is their sum below 2^64.
        const std::uint64_t inflated_bytes = chunk.member_offset_bytes + chunk.size_bytes;
        if (inflated_bytes / kDeflateRatioMax > chunk.blob_size_bytes) {
            return fail(corrupt(fmt::format("TOC: {} bytes cannot be in the member at offset {}",
                                            inflated_bytes, chunk.blob_offset_bytes)));
        }
    }
    return {};
}

Result<Toc> TocBuilder::finish() && {
    CHECK_OK(finish_file());
    TRY(FileTree tree, std::move(builder_).finish());
    CHECK_OK(finish_chunk_sizes(tree));
    return Toc{.tree = std::move(tree), .prefetch_end_bytes = prefetch_end_bytes_};
}

}  // namespace

struct TocText::Archive {
    explicit Archive(ByteView toc_members)
        : json_bytes_max(std::min(
              kTocBytesMax, std::max(kTocBytesAlwaysFine, toc_members.size() * kTocRatioMax))),
          compressed(toc_members),
          uncompressed(compressed, json_bytes_max + kTarWrapBytesMax),
          tar(uncompressed) {}

    Result<void> begin();
    Result<void> end();

    enum class Place : std::uint8_t { before, inside, behind };
    Place place = Place::before;
    std::uint64_t json_bytes_max;
    MemorySource compressed;
    GzipSource uncompressed;
    TarReader tar;
    std::uint64_t rest_bytes = 0;
    Sha256 running;
    std::optional<Digest> digest;
};

Result<void> TocText::Archive::begin() {
    TRY(std::optional<TarEntry> found, tar.next());
    if (!found || found->entry.kind != LayerEntry::Kind::file ||
        found->entry.type != FileType::regular || found->entry.path != kTocName) {
        return fail(corrupt(fmt::format("TOC: its first file is not {}", kTocName)));
    }
    if (found->entry.size_bytes > json_bytes_max) {
        return fail(over_limit(fmt::format("TOC: {} bytes of JSON; the limit is {}",
                                           found->entry.size_bytes, json_bytes_max)));
    }
    rest_bytes = found->entry.size_bytes;
    place = Place::inside;
    return {};
}

Result<void> TocText::Archive::end() {
    TRY(std::optional<TarEntry> second, tar.next());
    if (second) {
        return fail(corrupt("TOC: another file follows it"));
    }
    // To the end, where the member's checksum is.
    std::array<std::byte, kTarBlockBytes> padding;
    std::size_t count = 1;
    while (count > 0) {
        TRY(count, uncompressed.read(padding));
    }
    place = Place::behind;
    digest = running.finish();
    return {};
}

TocText::TocText(ByteView toc_members) : archive_(std::make_unique<Archive>(toc_members)) {}
TocText::~TocText() = default;

Result<std::size_t> TocText::read(MutableByteView out) {
    Archive& archive = *archive_;
    if (archive.place == Archive::Place::before) {
        CHECK_OK(archive.begin());
    }
    if (archive.rest_bytes == 0) {
        if (archive.place == Archive::Place::inside) {
            CHECK_OK(archive.end());
        }
        return 0;
    }
    TRY(const std::size_t count, archive.tar.read_payload(out));
    if (count == 0) {
        return fail(corrupt("TOC: it ends too early"));
    }
    archive.rest_bytes -= count;
    archive.running.update(ByteView{out}.first(count));
    return count;
}

std::optional<Digest> TocText::digest() const {
    return archive_->digest;
}

Result<Toc> parse_toc(ByteSource& json, std::uint64_t toc_offset_bytes) {
    TocBuilder builder(toc_offset_bytes);
    CHECK_OK(
        read_toc_json(json, [&builder](TocEntry entry) { return builder.add(std::move(entry)); }));
    return std::move(builder).finish();
}

Result<Toc> read_toc(ByteView toc_members, std::uint64_t toc_offset_bytes,
                     const std::optional<Digest>& expected) {
    TocText json(toc_members);
    Result<Toc> toc = parse_toc(json, toc_offset_bytes);
    // What makes no sense may be another table than the one that was asked for: that is to be said.
    Bytes rest(kRestBytes);
    std::size_t count = 1;
    while (!toc && count > 0) {
        count = json.read(rest).value_or(0);
    }
    const std::optional<Digest> found = json.digest();
    if (expected && found && *found != *expected) {
        return fail(
            corrupt(fmt::format("the table of contents has the digest {}, the manifest says {}",
                                found->text(), expected->text())));
    }
    ASSERT(!toc || found);
    return toc;
}

}  // namespace lazybuild::codec
