// SPDX-License-Identifier: Apache-2.0
#include "codec/media_type.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace lazybuild::codec {
namespace {

struct LayerType {
    std::string_view type;
    Compression compression;
    std::string_view oci;  ///< its name in OCI
};

constexpr std::string_view kOciForeign = "application/vnd.oci.image.layer.nondistributable.v1.tar";
constexpr std::string_view kOciForeignGzip =
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
constexpr std::string_view kOciForeignZstd =
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd";

constexpr std::array kLayerTypes = {
    LayerType{media_type::kOciLayer, Compression::none, media_type::kOciLayer},
    LayerType{media_type::kOciLayerGzip, Compression::gzip, media_type::kOciLayerGzip},
    LayerType{media_type::kOciLayerZstd, Compression::zstd, media_type::kOciLayerZstd},
    LayerType{kOciForeign, Compression::none, kOciForeign},
    LayerType{kOciForeignGzip, Compression::gzip, kOciForeignGzip},
    LayerType{kOciForeignZstd, Compression::zstd, kOciForeignZstd},
    LayerType{media_type::kDockerLayerGzip, Compression::gzip, media_type::kOciLayerGzip},
    LayerType{media_type::kDockerLayer, Compression::none, media_type::kOciLayer},
    LayerType{"application/vnd.docker.image.rootfs.diff.tar.zstd", Compression::zstd,
              media_type::kOciLayerZstd},
    LayerType{"application/vnd.docker.image.rootfs.foreign.diff.tar", Compression::none,
              kOciForeign},
    LayerType{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Compression::gzip,
              kOciForeignGzip},
};

const LayerType* find_layer_type(std::string_view type) {
    const auto* const found = std::ranges::find(kLayerTypes, type, &LayerType::type);
    return found == kLayerTypes.end() ? nullptr : found;
}

}  // namespace

std::optional<DocumentKind> document_kind(std::string_view type) {
    if (type == media_type::kOciManifest || type == media_type::kDockerManifest) {
        return DocumentKind::manifest;
    }
    if (type == media_type::kOciIndex || type == media_type::kDockerList) {
        return DocumentKind::index;
    }
    if (type == "application/vnd.docker.distribution.manifest.v1+json" ||
        type == "application/vnd.docker.distribution.manifest.v1+prettyjws") {
        return DocumentKind::docker_schema1;
    }
    return std::nullopt;
}

std::string_view compression_name(Compression compression) {
    switch (compression) {
        case Compression::none: return "tar";
        case Compression::gzip: return "gzip";
        case Compression::zstd: return "zstd";
    }
    return "unknown";
}

std::optional<Compression> layer_compression(std::string_view type) {
    const LayerType* const known = find_layer_type(type);
    return known == nullptr ? std::nullopt : std::optional{known->compression};
}

bool is_foreign_layer(std::string_view type) {
    const LayerType* const known = find_layer_type(type);
    return known != nullptr && (known->oci == kOciForeign || known->oci == kOciForeignGzip ||
                                known->oci == kOciForeignZstd);
}

bool is_image_config(std::string_view type) {
    return type == media_type::kOciConfig || type == media_type::kDockerConfig;
}

std::string oci_equivalent(std::string_view type) {
    if (const LayerType* const layer = find_layer_type(type)) {
        return std::string{layer->oci};
    }
    if (type == media_type::kDockerManifest) {
        return std::string{media_type::kOciManifest};
    }
    if (type == media_type::kDockerList) {
        return std::string{media_type::kOciIndex};
    }
    return std::string{type == media_type::kDockerConfig ? media_type::kOciConfig : type};
}

std::string docker_equivalent(std::string_view type) {
    if (type == media_type::kOciLayerGzip) {
        return std::string{media_type::kDockerLayerGzip};
    }
    return std::string{type == media_type::kOciLayer ? media_type::kDockerLayer : type};
}

std::string bare_media_type(std::string_view header_value) {
    std::string type{header_value.substr(0, header_value.find(';'))};
    while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) {
        type.pop_back();
    }
    type.erase(0, std::min(type.find_first_not_of(" \t"), type.size()));
    std::ranges::transform(type, type.begin(), [](unsigned char letter) {
        return static_cast<char>(std::tolower(letter));
    });
    return type;
}

}  // namespace lazybuild::codec
