// SPDX-License-Identifier: Apache-2.0
// A path on the first line, an ignore file after it: a walk down to the path says what a single
// look says, and what lies in a directory that need not be entered is excluded.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "builder/dockerfile/file_mode.h"
#include "builder/dockerfile/ignore.h"
#include "codec/lexical_path.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    namespace dockerfile = lazybuild::dockerfile;
    using lazybuild::codec::LeadingParents;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string path =
        lazybuild::codec::normalise_path(text.substr(0, end), LeadingParents::drop);
    static_cast<void>(dockerfile::FileMode::parse(text.substr(0, end)));
    const auto patterns =
        dockerfile::IgnorePatterns::parse(text.substr(std::min(end + 1, text.size())), "ignore");
    if (!patterns || path.empty()) {
        return 0;
    }
    const bool excluded = patterns->excludes(path);
    dockerfile::IgnorePatterns::Known known;
    for (std::size_t at = path.find('/'); at != path.npos; at = path.find('/', at + 1)) {
        const std::string_view directory = std::string_view(path).substr(0, at);
        dockerfile::IgnorePatterns::Known own;
        static_cast<void>(patterns->verdict(directory, known, &own));
        known = own;
        ASSERT(!patterns->excludes_all_of(directory) || excluded);
    }
    ASSERT(patterns->verdict(path, known).excluded == excluded);
    return 0;
}
