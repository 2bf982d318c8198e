// SPDX-License-Identifier: Apache-2.0
// Any bytes as the config of a cache: a config or an Error; its links stay inside, its chains end,
// and what was written reads as the same and is written alike. The same bytes as a cache's manifest
// and as what explains its records.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/assert.h"
#include "base/bytes.h"
#include "builder/cache/cache_config.h"
#include "builder/cache/container.h"
#include "builder/cache/explanations.h"

namespace cache = lazybuild::cache;
using lazybuild::as_bytes;

namespace {

constexpr std::size_t kInputBytesMax = 64 << 10;

void look_at(const cache::CacheConfig& config) {
    for (const cache::CacheRecord& record : config.records) {
        for (const auto& alternatives : record.inputs) {
            for (const cache::CacheLink& link : alternatives) {
                ASSERT(link.record < config.records.size());
            }
        }
        if (record.layer) {
            const auto chain = config.chain(*record.layer);
            ASSERT(!chain.empty() && chain.size() <= cache::kConfigChainMax);
            ASSERT(!config.layers[chain.front()].parent);
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > kInputBytesMax) {
        return 0;
    }
    const lazybuild::ByteView text = std::as_bytes(std::span{data, size});
    if (const auto config = cache::CacheConfig::parse(text)) {
        look_at(*config);
        const std::string written = config->serialize();
        const auto again = cache::CacheConfig::parse(as_bytes(written));
        ASSERT(again && again->serialize() == written);
        ASSERT(again->records.size() == config->records.size());
    }
    static_cast<void>(cache::read_container(
        {.media_type = "", .digest = {}, .bytes = {text.begin(), text.end()}}));
    static_cast<void>(cache::read_explanations(text));
    std::vector<cache::CacheLayer> blobs(3);
    if (const auto config = cache::parse_inline(text, blobs)) {
        look_at(*config);
        const std::string written = cache::serialize_inline(config->records);
        if (config->layers.size() == blobs.size()) {
            ASSERT(cache::parse_inline(as_bytes(written), blobs)->records.size() ==
                   config->records.size());
        }
    }
    return 0;
}
