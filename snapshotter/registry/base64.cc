// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/base64.h"

#include <cstdint>

namespace lazybuild::registry {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string base64_encode(std::string_view bytes) {
    std::string out;
    std::uint32_t bits = 0;
    int bit_count = 0;
    for (const char c : bytes) {
        bits = (bits << 8) | static_cast<unsigned char>(c);
        for (bit_count += 8; bit_count >= 6; bit_count -= 6) {
            out += kAlphabet[(bits >> (bit_count - 6)) & 63];
        }
    }
    if (bit_count > 0) {
        out += kAlphabet[(bits << (6 - bit_count)) & 63];
    }
    out.append((4 - out.size() % 4) % 4, '=');
    return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
    for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) {
        text.remove_suffix(1);
    }
    std::string out;
    std::uint32_t bits = 0;
    int bit_count = 0;
    for (const char c : text) {
        const std::size_t value = kAlphabet.find(c);
        if (value == std::string_view::npos) {
            return std::nullopt;
        }
        bits = (bits << 6) | static_cast<std::uint32_t>(value);
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            out += static_cast<char>((bits >> bit_count) & 0xff);
        }
    }
    // What is left over is filling: fewer than 6 bits, all zero.
    const std::uint32_t filling = bits & ((1U << bit_count) - 1);
    if (bit_count >= 6 || filling != 0) {
        return std::nullopt;
    }
    return out;
}

}  // namespace lazybuild::registry
