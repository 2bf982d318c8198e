// SPDX-License-Identifier: Apache-2.0
// <root>/blobs/sha256/<hex>: whole blobs, verified before they come here.
//
// Threads: any. Processes: any number of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/layers/layer_store.h"

namespace lazybuild::layers {

class BlobPlaces {
  public:
    explicit BlobPlaces(const std::string& root) : directory_(root + "/blobs/sha256") {}

    std::optional<std::string> path(const codec::Digest& blob) const;
    /// As LayerStore::keep_blob. `staged` does not exist and is on the root's file system: `file`
    /// may be elsewhere, and then is copied to it first.
    Result<void> keep(const codec::Digest& blob, const std::string& file,
                      const std::string& staged) const;
    /// Missing is fine.
    Result<void> remove(const codec::Digest& blob) const;
    Result<std::vector<BlobUsage>> usage() const;

  private:
    std::string path_of(const codec::Digest& blob) const { return directory_ + "/" + blob.hex(); }
    const std::string directory_;
};

}  // namespace lazybuild::layers
