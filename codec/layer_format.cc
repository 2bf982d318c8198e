// SPDX-License-Identifier: Apache-2.0
#include "codec/layer_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "codec/estargz_format.h"

namespace lazybuild::codec {
namespace {

constexpr std::array kFormats = {
    &kEstargzFormat,
};

template <class Member, class Value>
const LayerFormat* find_by(Member member, const Value& value) {
    const auto* const found = std::ranges::find(
        kFormats, value, [member](const LayerFormat* format) { return format->*member; });
    return found == kFormats.end() ? nullptr : *found;
}

}  // namespace

std::span<const LayerFormat* const> layer_formats() {
    return kFormats;
}

const LayerFormat* find_layer_format(std::string_view name) {
    return find_by(&LayerFormat::name, name);
}

const LayerFormat* find_layer_format(std::uint16_t number) {
    return find_by(&LayerFormat::number, number);
}

const LayerFormat* layer_format_for(std::string_view media_type) {
    const std::optional<Compression> compression = layer_compression(media_type);
    return compression ? find_by(&LayerFormat::compression, *compression) : nullptr;
}

std::vector<std::string> writable_format_names() {
    std::vector<std::string> names;
    for (const LayerFormat* format : kFormats) {
        if (format->writer != nullptr) {
            names.emplace_back(format->name);
        }
    }
    return names;
}

Result<FoundIndex> find_layer_index(ByteView tail, std::uint64_t blob_size_bytes) {
    std::string titles;
    for (const LayerFormat* format : kFormats) {
        TRY(const std::optional<IndexPlace> place, format->find_index(tail, blob_size_bytes));
        if (place) {
            return FoundIndex{.format = format, .place = *place};
        }
        titles += (titles.empty() ? "" : " or ") + std::string{format->title};
    }
    return fail(
        Error{.code = std::errc::not_supported,
              .message = fmt::format("the blob has no {} footer, so it has no index", titles)});
}

}  // namespace lazybuild::codec
