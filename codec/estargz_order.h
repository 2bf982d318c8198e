// SPDX-License-Identifier: Apache-2.0
// In which order the entries of a tar go into an eStargz blob: what a container needs to start
// first, then the rest as it stood.
//
// Source: eStargz v0.4 "Prioritized Files and Landmark Files".
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/tar.h"

namespace lazybuild::codec {

struct EstargzOrder {
    std::vector<TarEntry> entries;
    std::size_t prioritized_count = 0;   ///< of the first of them, parents and targets included
    std::vector<std::string> not_found;  ///< of `prioritized`, as given
};

/// Landmarks and tables of contents: made anew at each conversion.
bool is_estargz_own(std::string_view clean_path);

/// Of several entries of one path the last stays. Landmarks and tables of contents of an earlier
/// conversion go. Each of `prioritized` comes after its parent directories; every hard link comes
/// after its target. Errors: bad_message for a hard link without a target.
Result<EstargzOrder> order_for_estargz(std::vector<TarEntry> entries,
                                       std::span<const std::string> prioritized);

}  // namespace lazybuild::codec
