// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "builder/layers/layer_store.h"
#include "codec/layer_format.h"
#include "codec/sha256.h"

namespace lazybuild::layers {
namespace {

/// As the manifest annotates it, in the way of the layer's format; "" when there is none.
std::string toc_digest(const codec::Descriptor& layer) {
    const codec::LayerFormat* const format = codec::layer_format_for(layer.media_type);
    if (format == nullptr) {
        return "";
    }
    const auto found = layer.annotations.find(std::string{format->toc_annotation});
    if (found == layer.annotations.end()) {
        return "";
    }
    const auto digest = codec::Digest::parse(found->second);
    return digest ? digest->text() : "";
}

}  // namespace

std::vector<codec::Digest> image_layer_ids(const codec::Manifest& manifest) {
    std::vector<codec::Digest> ids;
    ids.reserve(manifest.layers.size());
    for (const codec::Descriptor& layer : manifest.layers) {
        const std::string text =
            fmt::format("lazybuild base 1\n{}\n{}", layer.digest.text(), toc_digest(layer));
        ids.push_back(codec::sha256(as_bytes(text)));
    }
    return ids;
}

}  // namespace lazybuild::layers
