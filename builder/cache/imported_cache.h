// SPDX-License-Identifier: Apache-2.0
// One cache that was read: its records by key, and what explains them when somebody asks.
// Threads: one reads it; then any, several at once.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "builder/cache/backend.h"
#include "builder/cache/cache_config.h"
#include "builder/cache/explanations.h"
#include "builder/image/session.h"
#include "builder/layers/layer_store.h"
#include "builder/solve/imported_records.h"

namespace lazybuild::cache {

class ImportedCache {
  public:
    /// Reads what `source` has; `session` outlives it. Errors: no_such_file_or_directory when there
    /// is nothing, or an image without a cache; those of reading.
    static Result<std::unique_ptr<ImportedCache>> read(std::string name, CacheSource& source,
                                                       image::Session& session);

    const std::string& name() const { return name_; }
    /// Whether any record is one that we could have written.
    bool has_own_records() const { return !by_key_.empty(); }
    std::size_t record_count() const;
    /// Whether there is anything for explanations() to read.
    bool has_texts() const;

    /// Tells `store` of the layers, and where blobs of bases are. The answer: how many records name
    /// blobs that nothing is known of.
    Result<std::size_t> tell(layers::LayerStore& store) const;

    std::optional<solve::ImportedRecord> find(const codec::Digest& key) const;
    /// Ids of the layers of a cache mount, bottom first; empty: there is none.
    std::vector<codec::Digest> find_mount(const codec::Digest& key) const;
    /// Fetches the explanations, the first time. Errors: also those of that time.
    Result<const Explanations*> explanations();
    /// With what find() knows of it.
    solve::ImportedRecord complete(const solve::Record& explanation) const;

    /// Its documents; nullopt: the cache has no such image. Errors: those of reading them.
    struct Documents {
        image::ImageDocument manifest;
        image::ConfigDocument config;
    };
    Result<std::optional<Documents>> find_image(const std::string& name,
                                                const std::string& platform) const;
    const std::shared_ptr<image::ImageSource>& blobs() const { return blobs_; }

    /// What was read: of an image one index for each platform that has one.
    const std::vector<CacheConfig>& configs() const { return configs_; }
    bool is_inline() const { return inlined_; }
    /// Blobs that the manifests name, by digest.
    const std::map<codec::Digest, codec::Descriptor>& named() const { return named_; }
    /// Of a layer of configs(); nullopt: nobody says enough of it.
    std::optional<layers::LayerBlob> blob_of(const CacheLayer& layer) const;

  private:
    struct Place {
        std::size_t config = 0;
        std::size_t record = 0;
    };

    ImportedCache(std::string name, std::shared_ptr<image::ImageSource> blobs,
                  image::Session& session)
        : name_(std::move(name)), blobs_(std::move(blobs)), session_(session) {}
    Result<void> read_config(const CacheFound& found);
    Result<void> read_images(const CacheFound& found);
    void index();
    std::string why_no_layer(const CacheConfig& config) const;

    const std::string name_;
    const std::shared_ptr<image::ImageSource> blobs_;
    image::Session& session_;
    bool inlined_ = false;
    std::vector<CacheConfig> configs_;
    std::map<codec::Digest, codec::Descriptor> named_;
    std::map<codec::Digest, Place> by_key_;

    std::mutex mutex_;  // guards what follows
    std::optional<Result<Explanations>> explanations_;
};

}  // namespace lazybuild::cache
