// SPDX-License-Identifier: Apache-2.0
// The names of the images that builds have kept: a table in the builder's build.db. What a name
// stands for is in <root>/blobs; layers of bases are wherever their origins say.
//
// Threads: one at a time for each object. Several processes may have the same table open.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/oci_descriptor.h"
#include "snapshotter/store/database.h"

namespace lazybuild::exporter {

struct StoredImage {
    std::string name;         ///< "docker.io/library/app:1"
    codec::Descriptor root;   ///< manifest or index
    std::int64_t kept_s = 0;  ///< when, in seconds since 1970
};

class ImageStore {
  public:
    /// `root` is that of the LayerStore. Errors: those of Database.
    static Result<ImageStore> open(const std::string& root);

    /// The name stands for `image` from now on.
    Result<void> put(const std::string& name, const codec::Descriptor& image);
    Result<std::optional<StoredImage>> find(const std::string& name);
    /// Sorted by name.
    Result<std::vector<StoredImage>> list();
    /// false: there is no such name. Its blobs stay until the store is pruned.
    Result<bool> remove(const std::string& name);

  private:
    explicit ImageStore(store::Database database) : database_(std::move(database)) {}
    store::Database database_;
};

}  // namespace lazybuild::exporter
