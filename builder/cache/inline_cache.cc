// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/inline_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>

#include "builder/cache/record_list.h"

namespace lazybuild::cache {

InlineCache inline_cache(const std::vector<solve::StepRecord>& records,
                         const std::vector<codec::Digest>& layer_ids) {
    InlineCache cache;
    RecordList list;
    for (const solve::StepRecord& record : records) {
        if (record.keys.empty()) {
            cache.dropped.add(record.text, DropList::Fate::left_out, "nothing proves its key");
            continue;
        }
        const std::vector<codec::Digest>& own = record.layer_ids;
        const bool in_image = !own.empty() && own.size() <= layer_ids.size() &&
                              std::ranges::equal(own, std::span(layer_ids).first(own.size()));
        ++(in_image ? cache.records : cache.metadata_only);
        list.add(record, in_image ? std::optional{own.size() - 1} : std::nullopt);
    }
    cache.text = list.records().empty() ? std::string{} : serialize_inline(list.records());
    return cache;
}

std::string InlineCache::summary() const {
    return fmt::format("cache inline: {} record{} exported, {} metadata only{}, {} dropped",
                       records, records == 1 ? "" : "s", metadata_only,
                       metadata_only > 0 ? " (not in the image)" : "", dropped.count());
}

}  // namespace lazybuild::cache
