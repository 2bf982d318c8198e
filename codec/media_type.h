// SPDX-License-Identifier: Apache-2.0
// The media types of images, OCI's and Docker's, and what they say about the bytes.
//
// Sources: OCI image-spec v1.1 media-types.md; Docker image manifest v2 schema 2.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lazybuild::codec {

namespace media_type {
inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kOciLayer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kOciLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kOciLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view kDockerManifest =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerList =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerLayer = "application/vnd.docker.image.rootfs.diff.tar";
inline constexpr std::string_view kDockerLayerGzip =
    "application/vnd.docker.image.rootfs.diff.tar.gzip";
}  // namespace media_type

/// What kind of document a media type names. Schema 1 is recognised to be refused by name.
enum class DocumentKind { manifest, index, docker_schema1 };
std::optional<DocumentKind> document_kind(std::string_view type);

enum class Compression { none, gzip, zstd };
std::string_view compression_name(Compression compression);

/// How a layer's tar is compressed, by its type; nullopt: not a layer that we know.
std::optional<Compression> layer_compression(std::string_view type);

/// Layers that their makers keep to themselves: registries need not have them.
bool is_foreign_layer(std::string_view type);

bool is_image_config(std::string_view type);

/// OCI's name for the same thing; what is not Docker's is returned as it is.
std::string oci_equivalent(std::string_view type);

/// Docker's name for a layer that OCI names; what Docker has no name for is returned as it is
/// (zstd, for which its tools differ, and layers that registries need not have).
std::string docker_equivalent(std::string_view type);

/// "a/b; charset=utf-8" → "a/b", in lower case.
std::string bare_media_type(std::string_view header_value);

}  // namespace lazybuild::codec
