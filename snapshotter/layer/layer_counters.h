// SPDX-License-Identifier: Apache-2.0
// What has happened to one layer since the program began.
#pragma once

#include <atomic>
#include <cstdint>

namespace lazybuild::layer {

/// Threads: any.
struct LayerCounters {
    std::atomic<std::uint64_t> failed_reads = 0;   ///< of a mount, or of LayerManager::read
    std::atomic<std::uint64_t> fetched_bytes = 0;  ///< of its blob, from its origins; not its index
};

}  // namespace lazybuild::layer
