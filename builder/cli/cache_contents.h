// SPDX-License-Identifier: Apache-2.0
// What lies in the store, as one list, whatever it is; its sizes add up to what du(1) says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/layers/layer_store.h"
#include "builder/solve/records.h"

namespace lazybuild::cli {

struct CacheItem {
    enum class Kind : std::uint8_t {
        layer,   ///< of an image or a step, with the records of the steps that made it
        blob,    ///< that was exported or pushed, or describes an image
        lazy,    ///< what was fetched of lazy layers, of one slot
        record,  ///< of a step whose layer is not here, or that has none; its bytes are the rest's
        git,     ///< the files of a commit
        http,    ///< a file from a URL
        mount,   ///< RUN --mount=type=cache
        index,   ///< what files of contexts hash to
        build,   ///< that runs, or was killed
        rest,    ///< databases and directories; is never removed
    };
    Kind kind = Kind::layer;
    std::string name;  ///< a digest; a number or name in the kind's directory
    std::uint64_t size_bytes = 0;
    std::int64_t used_s = 0;          ///< since 1970
    bool in_use = false;              ///< by a build that runs
    bool needed = false;              ///< by an image that is kept
    std::vector<std::string> texts;   ///< of the steps that made it
    std::vector<codec::Digest> keys;  ///< of their records
};

/// The last used first, the rest at the end. Not on the reactor's thread.
Result<std::vector<CacheItem>> cache_contents(layers::LayerStore& store, solve::Records& records);

/// "layer", "blob", …
std::string_view kind_name(CacheItem::Kind kind);
/// As kind_name, or buildx's word for what is the same: "regular", "source.local",
/// "source.git.checkout", "exec.cachemount". Errors: invalid_argument.
Result<CacheItem::Kind> parse_kind(const std::string& text);

/// Removes the item with its records. What is not there is fine.
/// Errors: device_or_resource_busy.
Result<void> remove_item(const CacheItem& item, layers::LayerStore& store, solve::Records& records);

/// Gives the file system what the database no longer needs, when that is much. Errors: those of
/// the database; device_or_resource_busy.
Result<void> shrink_records(layers::LayerStore& store);

}  // namespace lazybuild::cli
