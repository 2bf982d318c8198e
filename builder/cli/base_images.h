// SPDX-License-Identifier: Apache-2.0
// The images that a Dockerfile names: from a place and a platform to manifest and config.
//
// What was found is kept in a table of <root>/build.db, documents included, so that a build whose
// bases were found before asks no registry. A reference with a digest never changes; for a tag
// --pull says when to look again. Before that, an image that a build here has kept under the name
// is it. When a registry cannot be reached, what a cache says that was imported is taken, and said;
// a manifest that is named by its digest is taken from there without asking.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "builder/cache/export_cache.h"
#include "builder/cache/import_cache.h"
#include "builder/graph/plan.h"
#include "builder/image/image_documents.h"
#include "builder/image/image_place.h"
#include "builder/image/image_source.h"
#include "builder/image/session.h"
#include "builder/layers/layer_store.h"
#include "snapshotter/store/database.h"

namespace lazybuild::cli {

enum class PullPolicy : std::uint8_t {
    missing,  ///< a tag that was found before is used as it was
    always,   ///< every tag is looked up
    newer,    ///< likewise, but without the network what is known will do
    never,    ///< what is not known is an error
};

/// Errors: invalid_argument.
Result<PullPolicy> parse_pull_policy(const std::string& text);

class BaseImages {
  public:
    /// Opens an image that an earlier build has kept under this name in the store; nullptr when
    /// there is none.
    using Kept = std::function<Result<std::shared_ptr<image::ImageSource>>(const std::string&)>;
    /// `session`, `imports` (may be null) and what `kept` opens outlive it.
    static Result<std::unique_ptr<BaseImages>> open(const std::string& root,
                                                    image::Session& session, PullPolicy policy,
                                                    Kept kept, cache::Imports* imports);

    /// Of the images that builds in `root` have found, as they know them now: the ids of their
    /// layers, bottom first. Writes nothing. Errors: those of the database.
    static Result<std::vector<std::vector<codec::Digest>>> found_layers(const std::string& root);

    /// Blocks; not on the reactor's thread. An image that is for one platform only is taken as it
    /// is, whatever is wanted.
    Result<graph::KnownImage> resolve(const graph::ImageWanted& wanted);

    /// Of an image that resolve() has given. `store` gets to know where its layers are: they may be
    /// exported without ever being opened.
    Result<std::vector<codec::Digest>> layer_ids(const graph::ImageStep& step,
                                                 const codec::Platform& platform,
                                                 layers::LayerStore& store);
    Result<layers::Snapshot> layers(const graph::ImageStep& step, const codec::Platform& platform,
                                    layers::LayerStore& store);
    /// What an exported cache says of it. This and `store` outlive the answer.
    Result<cache::BaseImage> documents(const graph::ImageStep& step,
                                       const codec::Platform& platform, layers::LayerStore& store);

  private:
    struct Found {
        image::ImageDocument manifest;
        image::ConfigDocument config;
    };

    BaseImages(image::Session& session, PullPolicy policy, Kept kept, cache::Imports* imports,
               store::Database database)
        : session_(session),
          policy_(policy),
          kept_(std::move(kept)),
          imports_(imports),
          database_(std::move(database)) {}

    Result<std::shared_ptr<image::ImageSource>> source_of(const std::string& place);
    Result<const Found*> find(const std::string& place, const codec::Platform& platform);
    /// Whether an earlier build has kept it, and may be believed.
    Result<bool> use_kept(const image::ImagePlace& place);
    Result<Found> look_up(const std::string& place, const codec::Platform& platform);
    Result<Found> look_up_outside(const image::ImagePlace& parsed, const std::string& place,
                                  const codec::Platform& platform, std::optional<Found> before);
    Found take_imported(const std::string& place, cache::Imports::Image image);
    Result<std::optional<Found>> known(const std::string& place, const std::string& platform);
    Result<void> remember(const std::string& place, const std::string& platform,
                          const Found& found);

    image::Session& session_;
    const PullPolicy policy_;
    const Kept kept_;
    cache::Imports* const imports_;

    std::mutex mutex_;  // guards what follows
    store::Database database_;
    std::map<std::string, std::shared_ptr<image::ImageSource>> sources_;
    std::map<std::pair<std::string, std::string>, std::unique_ptr<Found>> found_;
};

}  // namespace lazybuild::cli
