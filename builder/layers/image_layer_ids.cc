// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/image_layer_ids.h"

#include <fmt/format.h>

#include "builder/layers/layer_store.h"
#include "codec/layer_format.h"
#include "codec/media_type.h"
#include "codec/sha256.h"

namespace lazybuild::layers {

std::optional<codec::Digest> annotated_toc(const codec::Descriptor& layer) {
    const codec::LayerFormat* const format = codec::layer_format_for(layer.media_type);
    if (format == nullptr) {
        return std::nullopt;
    }
    const auto found = layer.annotations.find(std::string{format->toc_annotation});
    if (found == layer.annotations.end()) {
        return std::nullopt;
    }
    const auto digest = codec::Digest::parse(found->second);
    return digest ? std::optional{*digest} : std::nullopt;
}

Compression compression_of(const codec::Descriptor& layer) {
    if (annotated_toc(layer)) {
        return Compression::estargz;
    }
    switch (codec::layer_compression(layer.media_type).value_or(codec::Compression::gzip)) {
        case codec::Compression::none: return Compression::uncompressed;
        case codec::Compression::zstd: return Compression::zstd;
        case codec::Compression::gzip: break;
    }
    return Compression::gzip;
}

std::vector<codec::Digest> image_layer_ids(const codec::Manifest& manifest) {
    std::vector<codec::Digest> ids;
    ids.reserve(manifest.layers.size());
    for (const codec::Descriptor& layer : manifest.layers) {
        const std::optional<codec::Digest> toc = annotated_toc(layer);
        const std::string text =
            fmt::format("lazybuild base 1\n{}\n{}", layer.digest.text(), toc ? toc->text() : "");
        ids.push_back(codec::sha256(as_bytes(text)));
    }
    return ids;
}

}  // namespace lazybuild::layers
