// SPDX-License-Identifier: Apache-2.0
#include "codec/digest.h"

#include <fmt/format.h>

namespace lazybuild::codec {
namespace {

constexpr std::string_view kPrefix = "sha256:";

int digit_value(char digit) {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return -1;
}

}  // namespace

Result<Digest> Digest::parse(std::string_view text) {
    constexpr std::size_t kShownBytesMax = 100;
    const auto refuse = [text] {
        return fail(corrupt(fmt::format("not a digest of the form sha256:<64 hex digits>: \"{}\"",
                                        text.substr(0, kShownBytesMax))));
    };
    if (!text.starts_with(kPrefix) || text.size() != kPrefix.size() + 2 * kSizeBytes) {
        return refuse();
    }
    const std::string_view hex = text.substr(kPrefix.size());
    Raw raw;
    for (std::size_t i = 0; i < kSizeBytes; ++i) {
        const int high = digit_value(hex[2 * i]);
        const int low = digit_value(hex[2 * i + 1]);
        if (high < 0 || low < 0) {
            return refuse();
        }
        raw[i] = static_cast<std::byte>(high * 16 + low);
    }
    return Digest{raw};
}

}  // namespace lazybuild::codec
