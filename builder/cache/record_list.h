// SPDX-License-Identifier: Apache-2.0
// From steps to the records of a cache: one for each key, linked to those that its inputs have.
// Threads: one at a time.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "builder/cache/cache_config.h"
#include "builder/export/layer_blobs.h"
#include "builder/solve/step_record.h"

namespace lazybuild::cache {

class RecordList {
  public:
    /// A step after those that it reads. `layer`: its top layer in the cache, if it has any there.
    /// A step that is there already (for another platform) gets the layer that it lacks.
    void add(const solve::StepRecord& step, std::optional<std::size_t> layer);

    const std::vector<CacheRecord>& records() const { return records_; }
    std::vector<CacheRecord> take() { return std::move(records_); }

  private:
    std::vector<CacheRecord> records_;
    std::map<codec::Digest, std::size_t> by_key_;
};

/// The layers of a cache: file systems that begin alike share what they have in common.
class LayerForest {
  public:
    /// The top layer's index, of a file system that is not empty; bottom first.
    std::size_t add(const std::vector<const exporter::ImageLayer*>& file_system);
    std::vector<CacheLayer> take() { return std::move(layers_); }

  private:
    std::vector<CacheLayer> layers_;
    std::map<std::pair<codec::Digest, std::optional<std::size_t>>, std::size_t> places_;
};

}  // namespace lazybuild::cache
