// SPDX-License-Identifier: Apache-2.0
#include "builder/files/patterns.h"

#include "codec/lexical_path.h"

namespace lazybuild::files {

PivotPattern split_pivot(std::string_view pattern) {
    const auto clean = [](std::string_view path) {
        return codec::normalise_path(path, codec::LeadingParents::drop);
    };
    const std::size_t pivot = pattern.find("/./");
    if (pivot == std::string_view::npos) {
        return {.root = {}, .pattern = clean(pattern)};
    }
    return {.root = clean(pattern.substr(0, pivot)), .pattern = clean(pattern.substr(pivot))};
}

}  // namespace lazybuild::files
