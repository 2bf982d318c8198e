// SPDX-License-Identifier: Apache-2.0
// Text as characters, for patterns in which '?' is one of them: UTF-8, where bytes that are none
// are characters of their own and come out again as they went in.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lazybuild::dockerfile {

/// Borrows the text.
class CharacterReader {
  public:
    explicit CharacterReader(std::string_view text) : rest_(text) {}
    bool at_end() const { return rest_.empty(); }
    /// Not at the end.
    char32_t next() {
        const auto lead = static_cast<unsigned char>(rest_.front());
        if (lead >= 0x80) {
            return next_of_several();
        }
        rest_.remove_prefix(1);
        return lead;
    }

  private:
    char32_t next_of_several();
    std::string_view rest_;
};

std::u32string decode_characters(std::string_view text);
std::string encode_characters(std::u32string_view text);

}  // namespace lazybuild::dockerfile
