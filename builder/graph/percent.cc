// SPDX-License-Identifier: Apache-2.0
#include "builder/graph/percent.h"

namespace lazybuild::graph {
namespace {

int hexadecimal(char character) {
    constexpr std::string_view kDigits = "0123456789abcdefABCDEF";
    const std::size_t digit = kDigits.find(character);
    return digit == std::string_view::npos ? -1 : static_cast<int>(digit < 16 ? digit : digit - 6);
}

}  // namespace

std::string percent_decoded(std::string_view text, bool plus_is_blank) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && hexadecimal(text[i + 1]) >= 0 &&
            hexadecimal(text[i + 2]) >= 0) {
            result += static_cast<char>(hexadecimal(text[i + 1]) * 16 + hexadecimal(text[i + 2]));
            i += 2;
        } else {
            result += plus_is_blank && text[i] == '+' ? ' ' : text[i];
        }
    }
    return result;
}

}  // namespace lazybuild::graph
