// SPDX-License-Identifier: Apache-2.0
// What flags and documents call the compressions of layers.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

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

}  // namespace lazybuild::exporter
