// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_format.h"

#include <algorithm>
#include <utility>

#include "codec/estargz_claims.h"
#include "codec/estargz_footer.h"
#include "codec/estargz_toc.h"
#include "codec/estargz_writer.h"
#include "codec/gzip.h"

namespace lazybuild::codec {
namespace {

// Annotations of layers (eStargz v0.4, "Annotations").
constexpr std::string_view kTocDigestAnnotation = "containerd.io/snapshot/stargz/toc.digest";
constexpr std::string_view kUncompressedSizeAnnotation = "io.containers.estargz.uncompressed-size";

Result<std::optional<IndexPlace>> find_index(ByteView tail, std::uint64_t blob_size_bytes) {
    TRY(const auto footer,
        find_estargz_footer(tail.last(std::min(tail.size(), kEstargzFooterBytesMax))));
    if (!footer) {
        return std::nullopt;
    }
    const std::uint64_t end_bytes = blob_size_bytes - footer->footer_size_bytes;
    if (footer->toc_offset_bytes >= end_bytes) {
        return fail(corrupt("its eStargz footer points past its end"));
    }
    return IndexPlace{.offset_bytes = footer->toc_offset_bytes,
                      .size_bytes = end_bytes - footer->toc_offset_bytes};
}

Result<Toc> read_index(ByteView index, const IndexPlace& place,
                       const std::optional<Digest>& expected) {
    return read_toc(index, place.offset_bytes, expected);
}

Result<TocClaims> read_claims(ByteView index, const std::optional<Digest>& expected) {
    TocText json(index);
    TRY(TocClaims claims, parse_toc_claims(json));
    if (expected && json.digest() != expected) {
        return fail(corrupt("TOC: it is not the one whose digest the manifest has"));
    }
    return claims;
}

class GzipChunks final : public ChunkReader {
  public:
    Result<void> read(ByteView compressed, std::uint64_t skip_bytes, MutableByteView out) override {
        return inflater_.inflate_range(compressed, skip_bytes, out);
    }

  private:
    Inflater inflater_;
};

std::unique_ptr<ChunkReader> open_chunks() {
    return std::make_unique<GzipChunks>();
}

class GzipBlob final : public BlobReader {
  public:
    explicit GzipBlob(GzipStreamOptions options) : gzip_(std::move(options)) {}
    Result<void> push(ByteView compressed, ByteSink& out) override {
        return gzip_.push(compressed, out);
    }
    Result<void> finish() override { return gzip_.finish(); }

  private:
    GzipStream gzip_;
};

std::unique_ptr<BlobReader> open_blob(OnMember on_member, std::uint64_t output_bytes_max) {
    return std::make_unique<GzipBlob>(
        GzipStreamOptions{.output_bytes_max = output_bytes_max, .on_member = std::move(on_member)});
}

std::unique_ptr<LayerStream> open_stream(const LayerOptions& options, Workers& workers,
                                         ByteBudget& budget, ByteSink& out) {
    return std::make_unique<EstargzStream>(options, workers, budget, out);
}

Descriptor describe(const Descriptor& source, const WrittenLayer& made) {
    Descriptor descriptor = source.with_content(std::string{media_type::kOciLayerGzip}, made.blob,
                                                made.blob_size_bytes);
    descriptor.annotations[std::string{kTocDigestAnnotation}] = made.toc.text();
    descriptor.annotations[std::string{kUncompressedSizeAnnotation}] =
        std::to_string(made.uncompressed_size_bytes);
    return descriptor;
}

constexpr LayerWriter kWriter{
    .check = check_options, .stream = open_stream, .write = write_estargz, .describe = describe};

}  // namespace

constinit const LayerFormat kEstargzFormat{.name = "estargz",
                                           .title = "eStargz",
                                           .number = 0,
                                           .compression = Compression::gzip,
                                           .toc_annotation = kTocDigestAnnotation,
                                           .tail_bytes = kEstargzFooterBytesMax,
                                           .find_index = find_index,
                                           .read_toc = read_index,
                                           .read_claims = read_claims,
                                           .open_chunks = open_chunks,
                                           .open_blob = open_blob,
                                           .writer = &kWriter};

}  // namespace lazybuild::codec
