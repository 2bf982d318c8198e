// SPDX-License-Identifier: Apache-2.0
// The bytes of one tar header block: where its fields stand and how numbers are written in them.
// Shared by the reader and the writer; not for other rooms.
//
// Sources: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format"
// (base-256 numbers); star(5) for the prefix that "tar\0" at the block's end announces.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "codec/tar.h"

namespace lazybuild::codec::tar_format {

using Block = std::array<std::byte, kTarBlockBytes>;

struct Field {
    std::size_t offset_bytes;
    std::size_t size_bytes;
};

inline constexpr Field kName{0, 100};
inline constexpr Field kMode{100, 8};
inline constexpr Field kUid{108, 8};
inline constexpr Field kGid{116, 8};
inline constexpr Field kSize{124, 12};
inline constexpr Field kMtime{136, 12};
inline constexpr Field kChecksum{148, 8};
inline constexpr Field kType{156, 1};
inline constexpr Field kLinkName{157, 100};
inline constexpr Field kMagic{257, 8};  // with the version
inline constexpr Field kUserName{265, 32};
inline constexpr Field kGroupName{297, 32};
inline constexpr Field kDeviceMajor{329, 8};
inline constexpr Field kDeviceMinor{337, 8};
inline constexpr Field kPrefix{345, 155};
inline constexpr Field kGnuAccessTime{345, 12};
inline constexpr Field kGnuChangeTime{357, 12};
inline constexpr Field kStarPrefix{345, 131};
inline constexpr Field kStarTrailer{508, 4};

enum class Dialect : std::uint8_t { v7, ustar, star, gnu };
Dialect dialect_of(const Block& block);

/// The field's bytes up to its first NUL, or all of them.
std::string text_of(const Block& block, Field field);

/// An octal or base-256 number; empty fields are 0. nullopt when it is neither or does not fit.
std::optional<std::int64_t> number_of(const Block& block, Field field);

bool is_zero(const Block& block);

/// Some old programs summed signed bytes, so either sum will do.
bool checksum_matches(const Block& block);

void put_text(Block& block, Field field, std::string_view text);  ///< cut to the field's size
/// Zero-filled octal, or base-256 where that does not fit.
void put_number(Block& block, Field field, std::uint64_t value);
bool fits_octal(Field field, std::int64_t value);
void put_checksum(Block& block);

}  // namespace lazybuild::codec::tar_format
