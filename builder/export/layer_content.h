// SPDX-License-Identifier: Apache-2.0
// What is in a layer, to be written as a tar: its tree and the bytes of its disk; and layers that
// exist on their way out only: with other times, or several as one.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "builder/layers/layer.h"
#include "codec/file_tree.h"
#include "codec/tree_tar.h"

namespace lazybuild::exporter {

/// A tree and what reads its disk (payload addresses). Threads: `read` any, several at once.
struct LayerContent {
    std::shared_ptr<const codec::FileTree> tree;
    codec::DiskRead read;

    /// `layer` is kept. Errors: those of loading its tree.
    static Result<LayerContent> of(layers::LayerPointer layer);
};

/// The same with no file younger than `latest_s`, seconds since 1970.
LayerContent clamp_times(const LayerContent& content, std::int64_t latest_s);

/// Several layers, the bottom one first, as one that looks the same over whatever is below them:
/// whiteouts and opaque directories stay where there may be something to hide.
/// Errors: over_limit for more files than a layer may have.
Result<LayerContent> squash(const std::vector<LayerContent>& contents);

}  // namespace lazybuild::exporter
