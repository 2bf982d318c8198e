// SPDX-License-Identifier: Apache-2.0
// Records of caches that this build was told to believe (--cache-from). They are looked at after
// the records of the store, live as long as the process, and are never written to the store: who
// does not name a cache does not believe it. The builder's cache room has the implementation.
//
// As the store's records they say what came out of a step, not where it is: a layer that a cache
// holds is known to the layer store (import_layers), and is proven there before it is used.
//
// Threads: any, several at once.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "builder/solve/records.h"

namespace lazybuild::solve {

struct ImportedRecord {
    /// Key, layer and, where the cache knows it, content_key; of similar() and children() also what
    /// a miss is explained with.
    Record record;
    std::string cache;  ///< as the user named it: "registry.example/app:cache"
    /// Why the cache has the record but not its layer, after "known, but ": "the cache
    /// registry.example/app:cache was exported with mode=min: its layer was never uploaded", and
    /// what to do. "" when it has the layer.
    std::string no_layer;
};

/// A cache that cannot be had is as if it held nothing: whoever imports it tells the user why.
class ImportedRecords {
  public:
    virtual ~ImportedRecords() = default;
    /// Of several caches the first that holds it, one with its layer before one without. May wait
    /// until the caches are there, not longer.
    virtual std::optional<ImportedRecord> find(const codec::Digest& key) = 0;
    /// Records with this text (Record::text), at most `count_max`. Called only to explain a miss:
    /// may fetch.
    virtual std::vector<ImportedRecord> similar(const std::string& text, std::size_t count_max) = 0;
    /// Records of steps that worked on this file system (Record::base), at most `count_max`. As
    /// similar().
    virtual std::vector<ImportedRecord> children(const codec::Digest& base,
                                                 std::size_t count_max) = 0;
    /// Caches that have records and no texts to compare a miss with (an image has no room for
    /// them), as the user named them.
    virtual std::vector<std::string> without_texts() = 0;
};

}  // namespace lazybuild::solve
