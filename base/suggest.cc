// SPDX-License-Identifier: Apache-2.0
#include "base/suggest.h"

#include <algorithm>
#include <numeric>

namespace lazybuild {

// Row by row.
std::size_t edit_distance(std::string_view from, std::string_view to) {
    std::vector<std::size_t> row(to.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < from.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < to.size(); ++j) {
            const std::size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

std::string nearest(std::string_view typed, const std::vector<std::string>& candidates) {
    constexpr std::size_t kTypedBytesMax = 64;
    if (typed.size() > kTypedBytesMax) {
        return "";
    }
    std::string best;
    std::size_t best_distance = typed.size() / 3 + 2;  // as far as this is no likeness
    for (const std::string& candidate : candidates) {
        const std::size_t edits = edit_distance(typed, candidate);
        if (edits < best_distance) {
            best = candidate;
            best_distance = edits;
        }
    }
    return best;
}

}  // namespace lazybuild
