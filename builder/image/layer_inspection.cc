// SPDX-License-Identifier: Apache-2.0
#include "builder/image/layer_inspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "codec/media_type.h"

namespace lazybuild::image {
namespace {

const std::string* annotation(const codec::Descriptor& layer, std::string_view name) {
    const auto found = layer.annotations.find(std::string{name});
    return found == layer.annotations.end() ? nullptr : &found->second;
}

bool is_zstd_chunked(const codec::Descriptor& layer) {
    return codec::layer_compression(layer.media_type) == codec::Compression::zstd &&
           std::ranges::any_of(layer.annotations, [](const auto& entry) {
               return entry.first.starts_with("io.containers.zstd-chunked.") ||
                      entry.first.starts_with("io.github.containers.zstd-chunked.");
           });
}

// Fills in what the last bytes of a blob tell, which may have `format`.
void judge_tail(ByteView tail, const codec::Descriptor& layer, const codec::LayerFormat& format,
                LayerInspection& inspection) {
    const auto place = format.find_index(tail, layer.size_bytes);
    if (!place) {
        inspection.reason = place.error().message;
        return;
    }
    if (!*place) {
        if (inspection.toc_digest) {
            inspection.reason =
                fmt::format("it is annotated as {0} but has no {0} footer", format.title);
        }
        return;
    }
    inspection.format = format.name;
    inspection.indexed = &format;
    inspection.index = **place;
    if (!inspection.toc_digest) {
        inspection.reason = "its TOC's digest is not in the manifest";
        return;
    }
    inspection.lazy = true;
}

}  // namespace

io::Task<Result<LayerInspection>> inspect_layer(ImageSource& source, codec::Descriptor layer,
                                                io::Wait wait) {
    LayerInspection inspection;
    const auto compression = codec::layer_compression(layer.media_type);
    if (!compression) {
        co_return inspection;
    }
    inspection.format =
        is_zstd_chunked(layer) ? "zstd:chunked" : codec::compression_name(*compression);
    const codec::LayerFormat* const format = codec::layer_format_for(layer.media_type);
    if (format == nullptr) {
        co_return inspection;
    }
    if (const std::string* const written = annotation(layer, format->toc_annotation)) {
        if (const auto digest = codec::Digest::parse(*written)) {
            inspection.toc_digest = *digest;
        } else {
            inspection.reason = "its annotated TOC digest is none";
        }
    }
    const std::uint64_t tail_bytes = std::min<std::uint64_t>(layer.size_bytes, format->tail_bytes);
    if (tail_bytes == 0) {
        co_return inspection;
    }
    auto tail = co_await source.read_range(layer.digest, layer.size_bytes - tail_bytes, tail_bytes,
                                           std::move(wait));
    if (tail) {
        judge_tail(*tail, layer, *format, inspection);
    } else if (tail.error().code == std::errc::not_supported) {
        // A registry without ranges cannot serve anything lazily either.
        inspection.reason = tail.error().message;
    } else {
        co_return fail(std::move(tail).error());
    }
    co_return inspection;
}

io::Task<Result<Bytes>> read_index(ImageSource& source, codec::Descriptor layer,
                                   codec::IndexPlace index, io::Wait wait) {
    if (index.size_bytes > kIndexBytesMax) {
        co_return fail(over_limit(fmt::format("layer {}: a TOC of {} compressed bytes",
                                              layer.digest.text(), index.size_bytes)));
    }
    co_return co_await source.read_range(layer.digest, index.offset_bytes, index.size_bytes,
                                         std::move(wait));
}

io::Task<Result<codec::Toc>> read_toc(Session& session, ImageSource& source,
                                      codec::Descriptor layer, LayerInspection inspection,
                                      io::Wait wait) {
    ASSERT(inspection.indexed != nullptr);
    const Bytes index = co_await io::or_return(
        co_await read_index(source, layer, inspection.index, std::move(wait)));
    auto job = [&index, &inspection] {
        return inspection.indexed->read_toc(index, inspection.index, inspection.toc_digest);
    };
    auto toc = co_await io::run_on(session.pool(), session.reactor(), std::move(job));
    if (!toc) {
        co_return fail(std::move(toc).error().context("layer " + layer.digest.text()));
    }
    co_return *std::move(toc);
}

}  // namespace lazybuild::image
