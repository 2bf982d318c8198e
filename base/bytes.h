// SPDX-License-Identifier: Apache-2.0
// Borrowed and owned runs of bytes, and the little-endian integers inside them.
// All on-disk and wire formats of this project are little-endian unless their header says
// otherwise.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/assert.h"

namespace lazybuild {

using Bytes = std::vector<std::byte>;          ///< owned
using ByteView = std::span<const std::byte>;   ///< borrowed, read only
using MutableByteView = std::span<std::byte>;  ///< borrowed, to be filled

inline ByteView as_bytes(std::string_view text) {
    return std::as_bytes(std::span{text.data(), text.size()});
}
inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Little-endian integer at `offset`; the caller has checked the size.
template <class Integer>
Integer load_le(ByteView bytes, std::size_t offset = 0) {
    static_assert(std::is_integral_v<Integer> && std::endian::native == std::endian::little);
    ASSERT(offset <= bytes.size() && bytes.size() - offset >= sizeof(Integer));
    Integer value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

template <class Integer>
void store_le(MutableByteView bytes, std::size_t offset, std::type_identity_t<Integer> value) {
    static_assert(std::is_integral_v<Integer> && std::endian::native == std::endian::little);
    ASSERT(offset <= bytes.size() && bytes.size() - offset >= sizeof(Integer));
    std::memcpy(bytes.data() + offset, &value, sizeof value);
}

/// `value` rounded up to a multiple of `alignment`, a power of two.
constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) {
    return (value + alignment - 1) & ~(alignment - 1);
}

/// Lower-case hexadecimal.
std::string to_hex(ByteView bytes);

}  // namespace lazybuild
