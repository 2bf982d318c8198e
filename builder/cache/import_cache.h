// SPDX-License-Identifier: Apache-2.0
// Caches that a build was told to believe (--cache-from): their records, their layers (told to the
// layer store, fetched when they are read), and the documents of the bases they were made on.
//
// They are read in the background from the moment on in which they are started, all at once, and
// waited for when the first key is looked up. A cache that cannot be read is a warning that names
// it and the cause, and then holds nothing. Keys of BuildKit's are not ours: of what it wrote
// nothing can be used, and a warning says so.
//
// Threads: any but the reactor's, which runs from start() until wait() has returned: a read that is
// under way when the reactor ends would be waited for in vain (Session::give_up() cuts it short).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "builder/cache/cache_options.h"
#include "builder/image/image_documents.h"
#include "builder/image/image_source.h"
#include "builder/image/session.h"
#include "builder/layers/layer_store.h"
#include "builder/solve/imported_records.h"
#include "builder/solve/progress.h"

namespace lazybuild::cache {

class Imports : public solve::ImportedRecords {
  public:
    /// Everything outlives it.
    static std::unique_ptr<Imports> start(const std::vector<CacheFrom>& from,
                                          layers::LayerStore& store, image::Session& session,
                                          solve::Progress& progress);
    /// After wait().
    ~Imports() override = default;

    /// Until all caches have been read, or cannot be.
    virtual void wait() = 0;
    /// What a key's miss would be explained with: text, definition, files. May fetch. nullopt: no
    /// cache knows.
    virtual std::optional<solve::Record> explanation(const codec::Digest& key) = 0;

    /// A base whose documents a cache has. `source` has its blobs, or knows where they are.
    struct Image {
        image::ImageDocument manifest;
        image::ConfigDocument config;
        std::shared_ptr<image::ImageSource> source;
        std::string cache;  ///< as the user named it
    };
    /// `name` and `platform` as in BaseImage. nullopt: no cache has it.
    virtual std::optional<Image> find_image(const std::string& name,
                                            const std::string& platform) = 0;

    /// Ids of the layers of a cache mount (exec::cache_key), bottom first, of which the layer store
    /// has been told; empty: no cache has it.
    virtual std::vector<codec::Digest> find_mount(const codec::Digest& key) = 0;
};

}  // namespace lazybuild::cache
