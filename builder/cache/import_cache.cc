// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/import_cache.h"

#include <fmt/format.h>

#include <functional>
#include <future>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "builder/cache/backend.h"
#include "builder/cache/explanations.h"
#include "builder/cache/imported_cache.h"
#include "builder/export/progress_task.h"

namespace lazybuild::cache {
namespace {

std::string_view backend_name(Backend backend) {
    return backend == Backend::local ? "local" : "registry";
}

class BackgroundImports final : public Imports {
  public:
    BackgroundImports(const std::vector<CacheFrom>& from, layers::LayerStore& store,
                      image::Session& session, solve::Progress& progress);

    std::optional<solve::ImportedRecord> find(const codec::Digest& key) override;
    std::vector<solve::ImportedRecord> similar(const std::string& text,
                                               std::size_t count_max) override;
    std::vector<solve::ImportedRecord> children(const codec::Digest& base,
                                                std::size_t count_max) override;
    std::vector<std::string> without_texts() override;
    void wait() override { static_cast<void>(caches()); }
    std::optional<solve::Record> explanation(const codec::Digest& key) override;
    std::optional<Image> find_image(const std::string& name, const std::string& platform) override;
    std::vector<codec::Digest> find_mount(const codec::Digest& key) override;

  private:
    using Cache = std::shared_ptr<ImportedCache>;  ///< nullptr: it holds nothing

    Cache read(const CacheFrom& from);
    Result<Cache> read_and_tell(const CacheFrom& from);
    /// Waits. In the order in which they were named.
    std::vector<Cache> caches();
    std::vector<solve::ImportedRecord> explained(
        std::size_t count_max, const std::function<bool(const solve::Record&)>& wanted);
    /// nullptr: they cannot be read.
    const Explanations* explanations_of(ImportedCache& cache);
    void warn_once(const std::string& message);

    layers::LayerStore& store_;
    image::Session& session_;
    solve::Progress& progress_;
    std::vector<std::shared_future<Cache>> caches_;
    std::mutex mutex_;  // guards warned_
    std::set<std::string> warned_;
    std::vector<std::jthread> threads_;  // last: they end first
};

BackgroundImports::BackgroundImports(const std::vector<CacheFrom>& from, layers::LayerStore& store,
                                     image::Session& session, solve::Progress& progress)
    : store_(store), session_(session), progress_(progress) {
    for (const CacheFrom& each : from) {
        std::packaged_task<Cache()> task([this, each] { return read(each); });
        caches_.push_back(task.get_future().share());
        threads_.emplace_back(std::move(task));
    }
}

void BackgroundImports::warn_once(const std::string& message) {
    {
        const std::lock_guard lock(mutex_);
        if (!warned_.insert(message).second) {
            return;
        }
    }
    progress_.warn(message);
}

Result<BackgroundImports::Cache> BackgroundImports::read_and_tell(const CacheFrom& from) {
    TRY(const std::unique_ptr<CacheSource> source, open_source(from, session_));
    TRY(Cache cache, ImportedCache::read(from.name(), *source, session_));
    if (!cache->has_own_records() && cache->record_count() > 0) {
        warn_once(fmt::format(
            "cache {}: written by BuildKit: its keys are not ours; nothing of it can be used",
            from.name()));
    }
    TRY(const std::size_t unknown, cache->tell(store_));
    if (unknown > 0) {
        warn_once(
            fmt::format("cache {}: {} of its records name blobs that its manifest does not "
                        "have; their steps run",
                        from.name(), unknown));
    }
    return cache;
}

BackgroundImports::Cache BackgroundImports::read(const CacheFrom& from) {
    exporter::ProgressTask task{progress_,
                                fmt::format("importing cache manifest from {}", from.name())};
    auto cache = read_and_tell(from);
    if (cache) {
        task.close({});
        return *std::move(cache);
    }
    if (cache.error().code != std::errc::operation_canceled) {
        warn_once(fmt::format("failed to configure {} cache importer: {}: {}",
                              backend_name(from.backend), from.name(), cache.error().message));
    }
    task.close(fail(std::move(cache).error()));
    return nullptr;
}

std::vector<BackgroundImports::Cache> BackgroundImports::caches() {
    std::vector<Cache> there;
    for (const std::shared_future<Cache>& cache : caches_) {
        if (cache.get() != nullptr) {
            there.push_back(cache.get());
        }
    }
    return there;
}

std::optional<solve::ImportedRecord> BackgroundImports::find(const codec::Digest& key) {
    std::optional<solve::ImportedRecord> without_layer;
    for (const Cache& cache : caches()) {
        auto found = cache->find(key);
        if (found && found->no_layer.empty()) {
            return found;
        }
        if (found && !without_layer) {
            without_layer = std::move(found);
        }
    }
    return without_layer;
}

const Explanations* BackgroundImports::explanations_of(ImportedCache& cache) {
    const auto explanations = cache.explanations();
    if (explanations) {
        return *explanations;
    }
    if (explanations.error().code != std::errc::operation_canceled) {
        warn_once(fmt::format("cache {}: what would explain misses cannot be read: {}",
                              cache.name(), explanations.error().message));
    }
    return nullptr;
}

std::vector<solve::ImportedRecord> BackgroundImports::explained(
    std::size_t count_max, const std::function<bool(const solve::Record&)>& wanted) {
    std::vector<solve::ImportedRecord> found;
    for (const Cache& cache : caches()) {
        const Explanations* const explanations = explanations_of(*cache);
        if (explanations == nullptr) {
            continue;  // said once
        }
        for (const auto& [key, record] : *explanations) {
            if (found.size() < count_max && wanted(record)) {
                found.push_back(cache->complete(record));
            }
        }
    }
    return found;
}

std::vector<solve::ImportedRecord> BackgroundImports::similar(const std::string& text,
                                                              std::size_t count_max) {
    return explained(count_max,
                     [&text](const solve::Record& record) { return record.text == text; });
}

std::vector<solve::ImportedRecord> BackgroundImports::children(const codec::Digest& base,
                                                               std::size_t count_max) {
    return explained(count_max,
                     [&base](const solve::Record& record) { return record.base == base; });
}

std::vector<std::string> BackgroundImports::without_texts() {
    std::vector<std::string> names;
    for (const Cache& cache : caches()) {
        if (cache->has_own_records() && !cache->has_texts()) {
            names.push_back(cache->name());
        }
    }
    return names;
}

std::optional<solve::Record> BackgroundImports::explanation(const codec::Digest& key) {
    for (const Cache& cache : caches()) {
        const Explanations* const explanations = explanations_of(*cache);
        if (explanations == nullptr) {
            continue;  // said once
        }
        if (const auto found = explanations->find(key); found != explanations->end()) {
            return found->second;
        }
    }
    return std::nullopt;
}

std::optional<Imports::Image> BackgroundImports::find_image(const std::string& name,
                                                            const std::string& platform) {
    for (const Cache& cache : caches()) {
        auto documents = cache->find_image(name, platform);
        if (!documents) {
            warn_once(fmt::format("cache {}: its documents of {} cannot be read: {}", cache->name(),
                                  name, documents.error().message));
            continue;
        }
        if (*documents) {
            return Image{.manifest = std::move((*documents)->manifest),
                         .config = std::move((*documents)->config),
                         .source = cache->blobs(),
                         .cache = cache->name()};
        }
    }
    return std::nullopt;
}

std::vector<codec::Digest> BackgroundImports::find_mount(const codec::Digest& key) {
    for (const Cache& cache : caches()) {
        auto layers = cache->find_mount(key);
        if (!layers.empty()) {
            return layers;
        }
    }
    return {};
}

}  // namespace

std::unique_ptr<Imports> Imports::start(const std::vector<CacheFrom>& from,
                                        layers::LayerStore& store, image::Session& session,
                                        solve::Progress& progress) {
    return std::make_unique<BackgroundImports>(from, store, session, progress);
}

}  // namespace lazybuild::cache
