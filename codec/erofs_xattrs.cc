// SPDX-License-Identifier: Apache-2.0
#include "codec/erofs_xattrs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "codec/erofs_format.h"

namespace lazybuild::codec::erofs {
namespace {

struct Prefix {
    std::string_view text;
    std::uint8_t index;
    bool whole;  ///< the name ends with the prefix
};

constexpr std::array<Prefix, 5> kPrefixes{{
    {.text = "user.", .index = 1, .whole = false},
    {.text = "system.posix_acl_access", .index = 2, .whole = true},
    {.text = "system.posix_acl_default", .index = 3, .whole = true},
    {.text = "trusted.", .index = 4, .whole = false},
    {.text = "security.", .index = 6, .whole = false},
}};

struct ShortName {
    std::uint8_t index;
    std::string_view rest;
};

std::optional<ShortName> shorten(std::string_view name) {
    for (const Prefix& prefix : kPrefixes) {
        if (!name.starts_with(prefix.text)) {
            continue;
        }
        std::string_view rest = name.substr(prefix.text.size());
        if (rest.empty() == prefix.whole) {
            return ShortName{.index = prefix.index, .rest = rest};
        }
    }
    return std::nullopt;
}

void append(Bytes& out, ByteView bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

Result<void> append_entry(Bytes& out, std::string_view name, std::string_view value) {
    std::optional<ShortName> short_name = shorten(name);
    if (!short_name) {
        return {};
    }
    if (short_name->rest.size() > std::numeric_limits<std::uint8_t>::max()) {
        return fail(over_limit(fmt::format("xattr name of {} bytes", name.size())));
    }
    if (value.size() > std::numeric_limits<std::uint16_t>::max()) {
        return fail(over_limit(fmt::format("xattr {} of {} bytes", name, value.size())));
    }
    if (out.empty()) {
        append(out, bytes_of(XattrHeader{}));
    }
    append(out, bytes_of(XattrEntry{.name_size = static_cast<std::uint8_t>(short_name->rest.size()),
                                    .name_index = short_name->index,
                                    .value_size = static_cast<std::uint16_t>(value.size())}));
    append(out, as_bytes(short_name->rest));
    append(out, as_bytes(value));
    out.resize(align_up(out.size(), sizeof(XattrEntry)));
    return {};
}

}  // namespace

Result<Bytes> encode_xattrs(const Node& node, bool user_xattrs) {
    Bytes out;
    for (const Xattr& xattr : node.xattrs) {
        CHECK_OK(append_entry(out, xattr.name, xattr.value));
    }
    if (node.type == FileType::directory && node.opaque) {
        CHECK_OK(
            append_entry(out, user_xattrs ? "user.overlay.opaque" : "trusted.overlay.opaque", "y"));
    }
    // The inode counts them in units of 4 bytes behind the header, from 1, in 16 bits.
    constexpr std::size_t kAreaBytesMax = sizeof(XattrHeader) + 4 * std::size_t{0xFFFE};
    if (out.size() > kAreaBytesMax) {
        return fail(over_limit(fmt::format("{} bytes of xattrs", out.size())));
    }
    return out;
}

Result<std::vector<Xattr>> decode_xattrs(ByteView area) {
    std::vector<Xattr> xattrs;
    if (area.empty()) {
        return xattrs;
    }
    for (std::size_t at = sizeof(XattrHeader); at + sizeof(XattrEntry) <= area.size();) {
        const std::size_t name_size = load_le<std::uint8_t>(area, at);
        const auto index = load_le<std::uint8_t>(area, at + 1);
        const std::size_t value_size = load_le<std::uint16_t>(area, at + 2);
        const std::size_t name_at = at + sizeof(XattrEntry);
        const auto* const prefix = std::ranges::find(kPrefixes, index, &Prefix::index);
        if (prefix == kPrefixes.end() || name_size + value_size > area.size() - name_at) {
            return fail(corrupt("EROFS image: an xattr that is none"));
        }
        std::string name{prefix->text};
        name += as_text(area.subspan(name_at, name_size));
        xattrs.push_back(
            {.name = std::move(name),
             .value = std::string{as_text(area.subspan(name_at + name_size, value_size))}});
        at = align_up(name_at + name_size + value_size, sizeof(XattrEntry));
    }
    return xattrs;
}

}  // namespace lazybuild::codec::erofs
