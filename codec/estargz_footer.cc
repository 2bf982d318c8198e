// SPDX-License-Identifier: Apache-2.0
#include "codec/estargz_footer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

#include "base/assert.h"

namespace lazybuild::codec {
namespace {

using namespace std::string_view_literals;

// A footer is: the fixed fields of a gzip header with an extra field (RFC 1952, 2.3), of which we
// compare the first four bytes because the others (time, hint, system) mean nothing; the extra
// field; and an empty stored block with its trailer.
constexpr std::size_t kFixedBytes = 10;
constexpr std::string_view kFixedStart = "\x1f\x8b\x08\x04"sv;
constexpr std::string_view kFixed = "\x1f\x8b\x08\x04\0\0\0\0\0\xff"sv;
constexpr std::string_view kEmptyBody = "\x01\0\0\xff\xff\0\0\0\0\0\0\0\0"sv;
constexpr std::string_view kMagic = "STARGZ"sv;
constexpr std::size_t kOffsetDigits = 16;

// The extra field, from its length on, up to the digits of the offset.
constexpr std::string_view kExtraStart = "\x1a\0SG\x16\0"sv;
constexpr std::string_view kLegacyExtraStart = "\x16\0"sv;
constexpr std::string_view kExternalExtra = "\x15\0SG\x11\0STARGZEXTERNALTOC"sv;

static_assert(kFixedBytes + kExtraStart.size() + kOffsetDigits + kMagic.size() +
                  kEmptyBody.size() ==
              kEstargzFooterBytesMax);

/// The extra field of the footer of `footer_bytes` at the end of `tail`; empty when none is there.
std::string_view extra_field(std::string_view tail, std::size_t footer_bytes) {
    if (tail.size() < footer_bytes) {
        return {};
    }
    const std::string_view footer = tail.substr(tail.size() - footer_bytes);
    if (!footer.starts_with(kFixedStart) || !footer.ends_with(kEmptyBody)) {
        return {};
    }
    return footer.substr(kFixedBytes, footer_bytes - kFixedBytes - kEmptyBody.size());
}

Result<std::uint64_t> parse_offset(std::string_view digits) {
    std::uint64_t offset_bytes = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), offset_bytes, 16);
    const bool lower_case =
        std::ranges::none_of(digits, [](char c) { return c >= 'A' && c <= 'F'; });
    if (error != std::errc{} || end != digits.data() + digits.size() || !lower_case ||
        offset_bytes > std::numeric_limits<std::int64_t>::max()) {
        return fail(corrupt("eStargz footer: the TOC's offset is not a hexadecimal number"));
    }
    return offset_bytes;
}

}  // namespace

Result<std::optional<EstargzFooter>> find_estargz_footer(ByteView blob_tail) {
    const std::string_view tail = as_text(blob_tail);
    for (const std::string_view start : {kExtraStart, kLegacyExtraStart}) {
        const std::size_t extra_bytes = start.size() + kOffsetDigits + kMagic.size();
        const std::size_t footer_bytes = kFixedBytes + extra_bytes + kEmptyBody.size();
        const std::string_view extra = extra_field(tail, footer_bytes);
        if (extra.starts_with(start) && extra.ends_with(kMagic)) {
            TRY(std::uint64_t offset_bytes,
                parse_offset(extra.substr(start.size(), kOffsetDigits)));
            return EstargzFooter{.toc_offset_bytes = offset_bytes,
                                 .footer_size_bytes = footer_bytes};
        }
    }
    if (extra_field(tail, kFixedBytes + kExternalExtra.size() + kEmptyBody.size()) ==
        kExternalExtra) {
        return fail(Error{std::errc::not_supported,
                          "this eStargz blob keeps its table of contents in another image "
                          "(external TOC), which is not supported: convert it again"});
    }
    return std::nullopt;
}

std::array<std::byte, kEstargzFooterBytesMax> estargz_footer(std::uint64_t toc_offset_bytes) {
    std::string text;
    text.append(kFixed).append(kExtraStart);
    text.append(fmt::format("{:016x}", toc_offset_bytes)).append(kMagic).append(kEmptyBody);
    std::array<std::byte, kEstargzFooterBytesMax> footer;
    ASSERT(text.size() == footer.size());
    std::ranges::copy(as_bytes(text), footer.begin());
    return footer;
}

}  // namespace lazybuild::codec
