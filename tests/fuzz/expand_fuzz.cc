// SPDX-License-Identifier: Apache-2.0
// A value on the first line, a word with variables after it: the word is expanded or an Error, and
// a word without anything special stays what it is.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "builder/dockerfile/expand.h"
#include "builder/dockerfile/heredoc.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace dockerfile = lazybuild::dockerfile;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string value{text.substr(0, end)};
    const std::string_view word = text.substr(std::min(end + 1, text.size()));
    const dockerfile::Lookup lookup = [&](std::string_view name) -> std::optional<std::string> {
        if (name == "v" || name == "1") {
            return value;
        }
        return name == "e" ? std::optional<std::string>("") : std::nullopt;
    };
    for (const char escape : {'\\', '`'}) {
        const auto expanded = dockerfile::expand(word, lookup, escape);
        if (word.find_first_of("$'\"\\`") == word.npos) {
            ASSERT(expanded && expanded->text == word);
        }
        if (const auto words = dockerfile::expand_words(word, lookup, escape)) {
            ASSERT(std::ranges::none_of(words->words, &std::string::empty));
        }
    }
    static_cast<void>(dockerfile::expand_content(word, lookup));
    static_cast<void>(dockerfile::find_heredocs(word));
    return 0;
}
