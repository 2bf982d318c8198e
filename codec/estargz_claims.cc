// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "codec/estargz_toc.h"
#include "codec/estargz_toc_json.h"
#include "codec/file_tree.h"

namespace lazybuild::codec {
namespace {

Error bad_entry(const TocEntry& entry, std::string_view reason) {
    constexpr std::size_t kShownBytesMax = 200;
    return corrupt(fmt::format("TOC: entry \"{}\": {}",
                               std::string_view{entry.name}.substr(0, kShownBytesMax), reason));
}

Result<std::optional<Digest>> digest_in(const TocEntry& entry, const std::string& text) {
    if (text.empty()) {
        return std::nullopt;
    }
    auto digest = Digest::parse(text);
    if (!digest) {
        return fail(bad_entry(entry, digest.error().message));
    }
    return *digest;
}

class ClaimsReader {
  public:
    Result<void> add(const TocEntry& entry) {
        if (entry.type == "chunk") {
            if (claims_.files.empty() || name_ != entry.name) {
                return fail(bad_entry(entry, "a chunk that does not follow its file"));
            }
            return add_chunk(entry);
        }
        CHECK_OK(finish_file());
        if (entry.type != "reg") {
            return {};
        }
        if (claims_.files.size() == kLayerEntriesMax) {
            return fail(over_limit(fmt::format("TOC: more than {} files", kLayerEntriesMax)));
        }
        TRY(std::string path, clean_path(entry.name));
        ClaimedFile file{.path = std::move(path), .size_bytes = entry.size_bytes, .digest = {}};
        TRY(file.digest, digest_in(entry, entry.digest));
        claims_.files.push_back(std::move(file));
        name_ = entry.name;
        covered_bytes_ = 0;
        return entry.size_bytes == 0 ? Result<void>{} : add_chunk(entry);
    }

    Result<TocClaims> finish() && {
        CHECK_OK(finish_file());
        std::ranges::sort(claims_.chunks, {}, &ClaimedChunk::place);
        return std::move(claims_);
    }

  private:
    Result<void> add_chunk(const TocEntry& entry) {
        ClaimedFile& file = claims_.files.back();
        if (entry.chunk_offset_bytes != covered_bytes_ || covered_bytes_ >= file.size_bytes) {
            return fail(bad_entry(entry, "its chunks leave a gap or overlap"));
        }
        const std::uint64_t rest_bytes = file.size_bytes - covered_bytes_;
        const std::uint64_t size_bytes =
            entry.chunk_size_bytes == 0 ? rest_bytes : entry.chunk_size_bytes;
        if (size_bytes > rest_bytes) {
            return fail(bad_entry(entry, "a chunk reaches past the end of the file"));
        }
        if (size_bytes > kChunkBytesMax || claims_.chunks.size() == kLayerChunksMax) {
            return fail(over_limit(
                fmt::format("TOC: entry \"{}\": too large a chunk, or too many", entry.name)));
        }
        TRY(const std::optional<Digest> digest, digest_in(entry, entry.chunk_digest));
        claims_.chunks.push_back({.place = {.blob_offset_bytes = entry.offset_bytes,
                                            .member_offset_bytes = entry.inner_offset_bytes,
                                            .size_bytes = size_bytes},
                                  .file_offset_bytes = covered_bytes_,
                                  .file = static_cast<std::uint32_t>(claims_.files.size() - 1),
                                  .digest = digest});
        covered_bytes_ += size_bytes;
        ++file.chunks;
        return {};
    }

    /// The digest of a file of one chunk is that chunk's, when it has none of its own.
    Result<void> finish_file() {
        if (claims_.files.empty()) {
            return {};
        }
        const ClaimedFile& file = claims_.files.back();
        if (covered_bytes_ != file.size_bytes) {
            return fail(
                corrupt(fmt::format("TOC: entry \"{}\": its chunks do not cover it", file.path)));
        }
        if (file.chunks == 1 && !claims_.chunks.back().digest) {
            claims_.chunks.back().digest = file.digest;
        }
        return {};
    }

    TocClaims claims_;
    std::string name_;                 // of the last file, as written
    std::uint64_t covered_bytes_ = 0;  // of the last file
};

}  // namespace

Result<TocClaims> parse_toc_claims(ByteSource& json) {
    ClaimsReader reader;
    CHECK_OK(read_toc_json(json, [&reader](const TocEntry& entry) { return reader.add(entry); }));
    return std::move(reader).finish();
}

}  // namespace lazybuild::codec
