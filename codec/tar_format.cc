// SPDX-License-Identifier: Apache-2.0
#include "codec/tar_format.h"

#include <algorithm>
#include <charconv>

namespace lazybuild::codec::tar_format {
namespace {

std::string_view field_bytes(const Block& block, Field field) {
    return as_text(ByteView{block}.subspan(field.offset_bytes, field.size_bytes));
}

// Two's complement, big-endian, below a leading marker bit (GNU tar).
std::optional<std::int64_t> base256_number(std::string_view bytes) {
    const bool negative = (static_cast<unsigned char>(bytes[0]) & 0x40U) != 0;
    std::uint64_t magnitude = 0;  // of the value, or of its complement when negative
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        unsigned byte = static_cast<unsigned char>(bytes[i]);
        if (negative) {
            byte ^= 0xffU;
        }
        if (i == 0) {
            byte &= 0x7fU;
        }
        if (magnitude >> 55U != 0) {
            return std::nullopt;
        }
        magnitude = magnitude << 8U | byte;
    }
    const auto value = static_cast<std::int64_t>(magnitude);
    return negative ? ~value : value;
}

std::optional<std::int64_t> octal_number(std::string_view bytes) {
    constexpr std::string_view kPadding{" \0", 2};
    const std::size_t first = bytes.find_first_not_of(kPadding);
    if (first == std::string_view::npos) {
        return 0;
    }
    bytes = bytes.substr(first, bytes.find_last_not_of(kPadding) - first + 1);
    bytes = bytes.substr(0, bytes.find('\0'));
    std::int64_t value = 0;
    const auto [end, error] =
        std::from_chars(bytes.data(), bytes.data() + bytes.size(), value, /*base=*/8);
    if (error != std::errc{} || end != bytes.data() + bytes.size() || value < 0) {
        return std::nullopt;
    }
    return value;
}

struct Checksums {
    std::int64_t of_unsigned = 0;
    std::int64_t of_signed = 0;
};

// All bytes, then those of the checksum's own field again: a loop without a condition in it, which
// is done many bytes at a time. A byte above 127 counts 256 less when it has a sign.
Checksums checksums(const Block& block) {
    const auto of = [](ByteView bytes) {
        std::uint32_t sum = 0;
        std::uint32_t high = 0;
        for (const std::byte byte : bytes) {
            sum += std::to_integer<std::uint32_t>(byte);
            high += std::to_integer<std::uint32_t>(byte) >> 7U;
        }
        return Checksums{.of_unsigned = sum, .of_signed = std::int64_t{sum} - 256 * high};
    };
    constexpr std::int64_t kSpaces = ' ' * std::int64_t{kChecksum.size_bytes};
    const Checksums all = of(block);
    const Checksums own = of(ByteView{block}.subspan(kChecksum.offset_bytes, kChecksum.size_bytes));
    return {.of_unsigned = all.of_unsigned - own.of_unsigned + kSpaces,
            .of_signed = all.of_signed - own.of_signed + kSpaces};
}

}  // namespace

Dialect dialect_of(const Block& block) {
    constexpr std::string_view kUstarMagic{"ustar\0", 6};  // any version
    constexpr std::string_view kGnuMagic{"ustar  \0", 8};
    constexpr std::string_view kStarMark{"tar\0", 4};
    const std::string_view magic = field_bytes(block, kMagic);
    if (magic.starts_with(kUstarMagic)) {
        return field_bytes(block, kStarTrailer) == kStarMark ? Dialect::star : Dialect::ustar;
    }
    return magic == kGnuMagic ? Dialect::gnu : Dialect::v7;
}

std::string text_of(const Block& block, Field field) {
    const std::string_view bytes = field_bytes(block, field);
    return std::string{bytes.substr(0, bytes.find('\0'))};
}

std::optional<std::int64_t> number_of(const Block& block, Field field) {
    const std::string_view bytes = field_bytes(block, field);
    return (static_cast<unsigned char>(bytes[0]) & 0x80U) != 0 ? base256_number(bytes)
                                                               : octal_number(bytes);
}

bool is_zero(const Block& block) {
    return std::ranges::all_of(block, [](std::byte byte) { return byte == std::byte{0}; });
}

bool checksum_matches(const Block& block) {
    const std::optional<std::int64_t> said = octal_number(field_bytes(block, kChecksum));
    const Checksums sums = checksums(block);
    return said && (*said == sums.of_unsigned || *said == sums.of_signed);
}

void put_text(Block& block, Field field, std::string_view text) {
    std::ranges::copy(as_bytes(text.substr(0, field.size_bytes)),
                      block.begin() + static_cast<std::ptrdiff_t>(field.offset_bytes));
}

bool fits_octal(Field field, std::int64_t value) {
    const std::size_t digits = field.size_bytes - 1;  // the last byte is NUL
    return value >= 0 && static_cast<std::uint64_t>(value) >> (3 * digits) == 0;
}

void put_number(Block& block, Field field, std::uint64_t value) {
    const bool octal = value >> (3 * (field.size_bytes - 1)) == 0;
    for (std::size_t i = field.size_bytes - (octal ? 1 : 0); i > 0; --i) {
        const unsigned digit =
            octal ? '0' + static_cast<unsigned>(value & 7U) : static_cast<unsigned>(value & 0xffU);
        block[field.offset_bytes + i - 1] = static_cast<std::byte>(digit);
        value >>= octal ? 3U : 8U;
    }
    if (!octal) {
        block[field.offset_bytes] |= std::byte{0x80};
    }
}

void put_checksum(Block& block) {
    // Six digits, NUL, space: the one form that every reader knows.
    constexpr Field kDigits{kChecksum.offset_bytes, 7};
    put_number(block, kDigits, static_cast<std::uint64_t>(checksums(block).of_unsigned));
    block[kChecksum.offset_bytes + kDigits.size_bytes] = std::byte{' '};
}

}  // namespace lazybuild::codec::tar_format
