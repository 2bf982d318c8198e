// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/inline_cache.h"

#include <algorithm>

#include "builder/cache/record_list.h"

namespace lazybuild::cache {

std::string inline_cache(const std::vector<solve::StepRecord>& records,
                         const std::vector<codec::Digest>& layer_ids) {
    RecordList list;
    for (const solve::StepRecord& record : records) {
        const std::vector<codec::Digest>& own = record.layer_ids;
        const bool in_image = !own.empty() && own.size() <= layer_ids.size() &&
                              std::ranges::equal(own, std::span(layer_ids).first(own.size()));
        list.add(record, in_image ? std::optional{own.size() - 1} : std::nullopt);
    }
    return list.records().empty() ? std::string{} : serialize_inline(list.records());
}

}  // namespace lazybuild::cache
