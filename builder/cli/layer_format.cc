// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/layer_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "codec/media_type.h"

namespace lazybuild::cli {
namespace {

const std::string* annotation(const codec::Descriptor& layer, std::string_view name) {
    const auto found = layer.annotations.find(std::string{name});
    return found == layer.annotations.end() ? nullptr : &found->second;
}

bool is_zstd_chunked(const codec::Descriptor& layer) {
    return std::ranges::any_of(layer.annotations, [](const auto& entry) {
        return entry.first.starts_with("io.containers.zstd-chunked.") ||
               entry.first.starts_with("io.github.containers.zstd-chunked.");
    });
}

// Fills in what the last bytes of a gzip blob tell.
void judge_tail(ByteView tail, const codec::Descriptor& layer, LayerInspection& inspection) {
    inspection.format = LayerFormat::gzip;
    const auto footer = codec::find_estargz_footer(tail);
    if (!footer) {
        inspection.reason = footer.error().message;
        return;
    }
    if (!*footer) {
        if (inspection.toc_digest) {
            inspection.reason = "it is annotated as eStargz but has no eStargz footer";
        }
        return;
    }
    const codec::EstargzFooter found = **footer;
    const std::uint64_t end = layer.size_bytes - found.footer_size_bytes;
    if (found.toc_offset_bytes >= end) {
        inspection.reason = "its eStargz footer points past its end";
        return;
    }
    inspection.format = LayerFormat::estargz;
    inspection.footer = found;
    if (!inspection.toc_digest) {
        inspection.reason = "its TOC's digest is not in the manifest";
        return;
    }
    inspection.lazy = true;
}

}  // namespace

std::string_view layer_format_name(LayerFormat format) {
    switch (format) {
        case LayerFormat::tar: return "tar";
        case LayerFormat::gzip: return "gzip";
        case LayerFormat::estargz: return "estargz";
        case LayerFormat::zstd: return "zstd";
        case LayerFormat::zstd_chunked: return "zstd:chunked";
        case LayerFormat::other: return "other";
    }
    return "other";
}

io::Task<Result<LayerInspection>> inspect_layer(ImageSource& source, codec::Descriptor layer,
                                                io::Wait wait) {
    LayerInspection inspection;
    const auto compression = codec::layer_compression(layer.media_type);
    if (!compression) {
        co_return inspection;
    }
    if (*compression == codec::Compression::zstd) {
        inspection.format = is_zstd_chunked(layer) ? LayerFormat::zstd_chunked : LayerFormat::zstd;
        co_return inspection;
    }
    if (*compression == codec::Compression::none) {
        inspection.format = LayerFormat::tar;
        co_return inspection;
    }
    if (const std::string* const written = annotation(layer, kTocDigestAnnotation)) {
        if (const auto digest = codec::Digest::parse(*written)) {
            inspection.toc_digest = *digest;
        } else {
            inspection.reason = "its annotated TOC digest is none";
        }
    }
    const std::uint64_t tail_bytes =
        std::min<std::uint64_t>(layer.size_bytes, codec::kEstargzFooterBytesMax);
    if (tail_bytes == 0) {
        inspection.format = LayerFormat::gzip;
        co_return inspection;
    }
    auto tail = co_await source.read_range(layer.digest, layer.size_bytes - tail_bytes, tail_bytes,
                                           std::move(wait));
    if (tail) {
        judge_tail(*tail, layer, inspection);
    } else if (tail.error().code == std::errc::not_supported) {
        // A registry without ranges cannot serve anything lazily either.
        inspection.format = LayerFormat::gzip;
        inspection.reason = tail.error().message;
    } else {
        co_return fail(std::move(tail).error());
    }
    co_return inspection;
}

io::Task<Result<Bytes>> read_toc_members(ImageSource& source, codec::Descriptor layer,
                                         codec::EstargzFooter footer, io::Wait wait) {
    const std::uint64_t offset = footer.toc_offset_bytes;
    const std::uint64_t size_bytes = layer.size_bytes - footer.footer_size_bytes - offset;
    if (size_bytes > kTocMembersBytesMax) {
        co_return fail(over_limit(fmt::format("layer {}: a TOC of {} compressed bytes",
                                              layer.digest.text(), size_bytes)));
    }
    co_return co_await source.read_range(layer.digest, offset, size_bytes, std::move(wait));
}

io::Task<Result<codec::Toc>> read_toc(Session& session, ImageSource& source,
                                      codec::Descriptor layer, LayerInspection inspection,
                                      io::Wait wait) {
    ASSERT(inspection.footer.has_value());
    const std::uint64_t offset = inspection.footer->toc_offset_bytes;
    const Bytes members = co_await io::or_return(
        co_await read_toc_members(source, layer, *inspection.footer, std::move(wait)));
    auto job = [&members, offset, &inspection] {
        return codec::read_toc(members, offset, inspection.toc_digest);
    };
    auto toc = co_await io::run_on(session.pool(), session.reactor(), std::move(job));
    if (!toc) {
        co_return fail(std::move(toc).error().context("layer " + layer.digest.text()));
    }
    co_return *std::move(toc);
}

}  // namespace lazybuild::cli
