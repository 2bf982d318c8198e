// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/registry/text.h"

#include <algorithm>

namespace lazybuild::registry {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::string lower_case(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), lower);
    return out;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower, lower);
}

std::string printable_line(std::string_view text, std::size_t bytes_max) {
    std::string line(text.substr(0, std::min(text.find_first_of("\r\n"), bytes_max)));
    std::ranges::replace_if(
        line, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
    return line;
}

}  // namespace lazybuild::registry
