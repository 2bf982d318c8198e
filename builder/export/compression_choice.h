// SPDX-License-Identifier: Apache-2.0
// How the user of an output or a cache wants new layers compressed: what flags and documents call
// the compressions, their levels, and which of them Docker's media types have a name for.
// Threads: any.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "builder/layers/layer.h"

namespace lazybuild::exporter {

inline constexpr std::array<std::pair<std::string_view, layers::Compression>, 4> kCompressionNames{
    {{"estargz", layers::Compression::estargz},
     {"gzip", layers::Compression::gzip},
     {"uncompressed", layers::Compression::uncompressed},
     {"zstd", layers::Compression::zstd}}};

constexpr std::string_view compression_name(layers::Compression compression) {
    for (const auto& [name, value] : kCompressionNames) {
        if (value == compression) {
            return name;
        }
    }
    return {};
}

constexpr std::optional<layers::Compression> compression_named(std::string_view text) {
    for (const auto& [name, value] : kCompressionNames) {
        if (name == text) {
            return value;
        }
    }
    return std::nullopt;
}

/// The level asked for, or what the compression has without one.
int level_of(layers::Compression compression, std::optional<int> asked);

struct CompressionChoice {
    layers::Compression compression = layers::Compression::estargz;
    bool given = false;  ///< by the user: then it is not changed silently
    std::optional<int> level;
    bool oci_media_types = true;
};
/// The compression to use: gzip instead of one that nobody asked for and Docker's media types do
/// not know. Errors: invalid_argument for one that was asked for, and for a level that it has not.
Result<layers::Compression> choose_compression(const CompressionChoice& choice);

}  // namespace lazybuild::exporter
