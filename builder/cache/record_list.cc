// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/record_list.h"

#include "base/assert.h"

namespace lazybuild::cache {

void RecordList::add(const solve::StepRecord& step, std::optional<std::size_t> layer) {
    std::vector<std::vector<CacheLink>> inputs;
    for (const std::vector<codec::Digest>& keys : step.inputs) {
        std::vector<CacheLink> alternatives;
        for (const codec::Digest& key : keys) {
            if (const auto known = by_key_.find(key); known != by_key_.end()) {
                alternatives.push_back({.selector = {}, .record = known->second});
            }
        }
        // An input that is no step, such as a context, is in the key alone.
        if (!alternatives.empty()) {
            inputs.push_back(std::move(alternatives));
        }
    }
    std::vector<std::size_t> indices;
    for (const solve::StepKey& key : step.keys) {
        const auto [place, is_new] = by_key_.try_emplace(key.key, records_.size());
        if (is_new) {
            records_.push_back({.key = key.key,
                                .inputs = inputs,
                                .layer = layer,
                                .ours = true,
                                .id = step.layer,
                                .content = {}});
        } else if (!records_[place->second].layer) {
            records_[place->second].layer = layer;
        }
        indices.push_back(place->second);
    }
    if (indices.size() > 1 && indices[0] != indices[1]) {
        records_[indices[0]].content = indices[1];
    }
}

std::size_t LayerForest::add(const std::vector<const exporter::ImageLayer*>& file_system) {
    ASSERT(!file_system.empty());
    std::optional<std::size_t> below;
    for (const exporter::ImageLayer* const layer : file_system) {
        const auto [place, is_new] =
            places_.try_emplace(std::pair(layer->descriptor.digest, below), layers_.size());
        if (is_new) {
            CacheLayer added{.blob = layer->descriptor, .diff_id = layer->diff_id, .parent = below};
            if (!layer->from_base) {
                added.compression = layer->compression;
                added.level = layer->level;
            }
            layers_.push_back(std::move(added));
        }
        below = place->second;
    }
    return *below;
}

}  // namespace lazybuild::cache
