// SPDX-License-Identifier: Apache-2.0
#include "builder/dockerfile/characters.h"

namespace lazybuild::dockerfile {
namespace {

constexpr char32_t kRawByte = 0x110000;  // raw bytes follow the last code point

}  // namespace

char32_t CharacterReader::next_of_several() {
    const auto lead = static_cast<unsigned char>(rest_.front());
    const std::size_t tail = lead < 0xC2   ? 0
                             : lead < 0xE0 ? 1
                             : lead < 0xF0 ? 2
                             : lead < 0xF5 ? 3
                                           : 0;
    char32_t decoded = lead & (0x3Fu >> tail);
    std::size_t taken = 0;
    while (taken < tail && taken + 1 < rest_.size()) {
        const auto byte = static_cast<unsigned char>(rest_[taken + 1]);
        if ((byte & 0xC0) != 0x80) {
            break;
        }
        decoded = (decoded << 6) | (byte & 0x3F);
        ++taken;
    }
    // Overlong forms would come out shorter than they went in.
    const bool shortest = (tail != 2 || decoded >= 0x800) && (tail != 3 || decoded >= 0x10000);
    if (tail == 0 || taken < tail || !shortest || decoded >= kRawByte) {
        rest_.remove_prefix(1);
        return kRawByte + lead;
    }
    rest_.remove_prefix(tail + 1);
    return decoded;
}

std::u32string decode_characters(std::string_view text) {
    std::u32string result;
    result.reserve(text.size());
    for (CharacterReader reader(text); !reader.at_end();) {
        result += reader.next();
    }
    return result;
}

std::string encode_characters(std::u32string_view text) {
    std::string result;
    result.reserve(text.size());
    for (const char32_t value : text) {
        const auto tail = [&](int shift) {
            result += static_cast<char>(0x80 | ((value >> shift) & 0x3F));
        };
        if (value >= kRawByte) {
            result += static_cast<char>(value - kRawByte);
        } else if (value < 0x80) {
            result += static_cast<char>(value);
        } else if (value < 0x800) {
            result += static_cast<char>(0xC0 | (value >> 6));
            tail(0);
        } else if (value < 0x10000) {
            result += static_cast<char>(0xE0 | (value >> 12));
            tail(6);
            tail(0);
        } else {
            result += static_cast<char>(0xF0 | (value >> 18));
            tail(12);
            tail(6);
            tail(0);
        }
    }
    return result;
}

}  // namespace lazybuild::dockerfile
