// SPDX-License-Identifier: Apache-2.0
// A cache inside the image that it is of (type=inline): its records are a member of the image's
// config, its layers the image's own.
//
// Source: BuildKit's moby.buildkit.cache.v0 (cache/remotecache/inline). Threads: any.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "builder/cache/drop_list.h"
#include "builder/solve/step_record.h"
#include "codec/digest.h"

namespace lazybuild::cache {

/// Of one platform, with what became of each step.
struct InlineCache {
    /// For exporter::BuiltImage::inline_cache: JSON; "" when there is no record.
    std::string text;
    std::size_t records = 0;        ///< whose layers are the image's
    std::size_t metadata_only = 0;  ///< whose layers are not
    DropList dropped;               ///< steps that are not in it

    /// "cache inline: 2 records exported, 3 metadata only (not in the image), 0 dropped".
    std::string summary() const;
};

/// `layer_ids` are the image's layers. Equal steps and layers give equal bytes.
InlineCache inline_cache(const std::vector<solve::StepRecord>& records,
                         const std::vector<codec::Digest>& layer_ids);

}  // namespace lazybuild::cache
