// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/export_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "builder/cache/backend.h"
#include "builder/cache/cache_config.h"
#include "builder/cache/check_cache.h"
#include "builder/cache/drop_list.h"
#include "builder/cache/explanations.h"
#include "builder/cache/record_list.h"
#include "builder/export/base_blobs.h"
#include "builder/export/layer_blobs.h"
#include "builder/export/parallel.h"
#include "builder/export/progress_task.h"
#include "builder/image/work.h"

namespace lazybuild::cache {
namespace {

/// Documents of bases, as registries are told of them: to be kept, and not to be looked into.
constexpr std::string_view kDocumentType = "application/vnd.lazybuild.cache.document.v1+json";

struct PlacedLayer {
    Result<exporter::ImageLayer> layer;
    BlobWay way = BlobWay::elsewhere;
};

class CacheExport {
  public:
    CacheExport(const CacheTo& to, const BuiltCache& built, layers::LayerStore& store,
                image::Session& session, solve::Progress& progress)
        : to_(to),
          built_(built),
          store_(store),
          session_(session),
          progress_(progress),
          task_(progress, title(to)) {
        exported_.name = to.name();
    }

    Result<ExportedCache> run();

  private:
    static std::string title(const CacheTo& to) {
        return fmt::format("exporting cache to {} {}",
                           to.backend == Backend::local ? "client directory" : "registry",
                           to.name());
    }
    Result<void> write();
    void choose_layers();
    Result<void> put_layers();
    Result<void> put_layers(const std::vector<codec::Digest>& ids, const CacheTo& how);
    void add_mount(const BuiltMount& mount);
    Result<layers::LayerPointer> open(const codec::Digest& id);
    void list_steps();
    Result<void> make_config();
    void serialize();
    Result<bool> take_present_explanations();
    bool complete_steps();
    void account(const solve::StepRecord& step);
    Result<void> put_documents();
    Result<void> commit();
    Result<void> check();
    Result<void> count_layers();
    Result<std::string> registry_of(const codec::Digest& blob);

    const CacheTo& to_;
    const BuiltCache& built_;
    layers::LayerStore& store_;
    image::Session& session_;
    solve::Progress& progress_;
    exporter::ProgressTask task_;
    ExportedCache exported_;
    std::unique_ptr<CacheTarget> target_;

    std::vector<solve::StepRecord> steps_;      ///< each once
    std::optional<codec::Descriptor> present_;  ///< the config of what is there
    std::vector<codec::Digest> ids_;            ///< of layers that the mode asks for
    std::vector<codec::Digest> mount_ids_;      ///< of other layers, of cache mounts
    std::map<codec::Digest, PlacedLayer> layers_;
    RecordList records_;
    LayerForest forest_;
    CacheConfig config_;
    std::string config_text_;
    codec::Descriptor config_descriptor_;
    std::vector<exporter::NamedDocument> documents_;
    DropList dropped_;
    bool refused_ = false;                  ///< strict, and something was dropped
    std::vector<codec::Descriptor> named_;  ///< by the manifest
};

void CacheExport::choose_layers() {
    std::set<codec::Digest> chosen;
    auto choose = [&](const std::vector<codec::Digest>& ids) {
        for (const codec::Digest& id : ids) {
            if (chosen.insert(id).second) {
                ids_.push_back(id);
            }
        }
    };
    if (to_.mode == Mode::min) {
        std::ranges::for_each(built_.results, choose);
    } else {
        for (const solve::StepRecord& step : steps_) {
            choose(step.layer_ids);
        }
    }
    for (const BuiltMount& mount : built_.mounts) {
        for (const codec::Digest& id : mount.layer_ids) {
            if (to_.mounts && chosen.insert(id).second) {
                mount_ids_.push_back(id);
            }
        }
    }
}

Result<layers::LayerPointer> CacheExport::open(const codec::Digest& id) {
    TRY(layers::LayerPointer layer, store_.find(id));
    for (const BaseImage& base : built_.bases) {
        const auto ids = layers::image_layer_ids(*base.manifest.manifest);
        if (layer != nullptr || !base.open || std::ranges::find(ids, id) == ids.end()) {
            continue;
        }
        TRY(const layers::Snapshot snapshot, base.open());
        const auto place = std::ranges::find_if(
            snapshot.layers, [&id](const auto& each) { return each->id() == id; });
        layer = place == snapshot.layers.end() ? nullptr : *place;
    }
    return layer;
}

// Layers go where they belong as soon as they are blobs; those that cannot are remembered.
Result<void> CacheExport::put_layers() {
    for (const BaseImage& base : built_.bases) {
        CHECK_OK(exporter::remember_base(store_, base.manifest, base.config, base.origin));
    }
    CHECK_OK(put_layers(ids_, to_));
    // Steps read little of large caches: their layers are lazy, whatever the others are.
    CacheTo lazy = to_;
    if (to_.compression != layers::Compression::estargz) {
        lazy.compression = layers::Compression::estargz;
        lazy.compression_level.reset();
    }
    return put_layers(mount_ids_, lazy);
}

// That is no property of a layer: a cache without all that had no room would take a good one's
// place.
bool is_full(const Error& error) {
    return error.code == std::errc::no_space_on_device ||
           error.code == std::errc::read_only_file_system ||
           error.code == static_cast<std::errc>(EDQUOT);
}

Result<void> CacheExport::put_layers(const std::vector<codec::Digest>& ids, const CacheTo& how) {
    exporter::LayerBlobs blobs{store_,
                               session_,
                               {.compression = how.compression,
                                .level = how.level(),
                                .force = how.force_compression,
                                .flights = built_.flights}};
    std::vector<BlobWay> ways(ids.size(), BlobWay::elsewhere);
    std::atomic<std::size_t> done = 0;
    auto ready = [&](std::size_t index, const exporter::ImageLayer& layer) -> Result<void> {
        TRY(ways[index], target_->put(layer));
        task_.step("writing layers", ++done, ids.size());
        return {};
    };
    TRY(auto layers, blobs.each(ids, [this](const codec::Digest& id) { return open(id); }, ready));
    for (const Result<exporter::ImageLayer>& layer : layers) {
        if (!layer && is_full(layer.error())) {
            return fail(layer.error());
        }
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
        layers_.emplace(ids[i], PlacedLayer{.layer = std::move(layers[i]), .way = ways[i]});
    }
    return {};
}

// How a step ends: with its layers, without them because the mode has none, or because it lost one.
void CacheExport::account(const solve::StepRecord& step) {
    std::vector<const exporter::ImageLayer*> file_system;
    for (const codec::Digest& id : step.layer_ids) {
        const auto placed = layers_.find(id);
        if (placed == layers_.end()) {
            ++exported_.metadata_only;
            records_.add(step, std::nullopt);
            return;
        }
        if (!placed->second.layer) {
            dropped_.add(step.text, DropList::Fate::without_layers,
                         placed->second.layer.error().message);
            records_.add(step, std::nullopt);
            return;
        }
        file_system.push_back(&*placed->second.layer);
    }
    ++exported_.records;
    records_.add(step, forest_.add(file_system));
}

void CacheExport::add_mount(const BuiltMount& mount) {
    std::vector<const exporter::ImageLayer*> file_system;
    for (const codec::Digest& id : mount.layer_ids) {
        const Result<exporter::ImageLayer>& layer = layers_.at(id).layer;
        if (!layer) {
            exported_.warnings.push_back(fmt::format("the cache mount {} is left out: {}",
                                                     mount.name, layer.error().message));
            return;
        }
        file_system.push_back(&*layer);
    }
    ++exported_.mounts;
    config_.mounts.push_back(
        {.key = mount.key, .layer = forest_.add(file_system), .ids = mount.layer_ids});
}

Result<void> CacheExport::make_config() {
    for (const solve::StepRecord& step : steps_) {
        account(step);
    }
    exported_.dropped = dropped_.count();
    exported_.warnings = dropped_.sentences();
    if (to_.mounts) {
        std::ranges::for_each(built_.mounts, [this](const BuiltMount& each) { add_mount(each); });
    }
    config_.ours = true;
    config_.mode = to_.mode == Mode::min ? "min" : "max";
    config_.records = records_.take();
    config_.layers = forest_.take();
    for (const BaseImage& base : built_.bases) {
        CacheImage image{.name = base.name, .platform = base.platform};
        image.manifest = image::describe(base.manifest.descriptor.media_type, base.manifest.bytes);
        image.config =
            image::describe(base.manifest.manifest->config.media_type, base.config.bytes);
        documents_.push_back({.descriptor = image.manifest, .bytes = base.manifest.bytes});
        documents_.push_back({.descriptor = image.config, .bytes = base.config.bytes});
        config_.images.push_back(std::move(image));
    }
    for (exporter::NamedDocument& document : documents_) {
        document.descriptor.media_type = kDocumentType;
    }
    exporter::NamedDocument explanations = write_explanations(steps_);
    config_.explain = explanations.descriptor;
    serialize();
    // A step that was found in a cache is not explained by itself. When all else is as it is there,
    // that explains it as well; else what is known of it is fetched.
    if (present_ && present_->digest != config_descriptor_.digest) {
        TRY(const bool taken, take_present_explanations());
        if (taken) {
            return {};
        }
    }
    if (complete_steps()) {
        explanations = write_explanations(steps_);
        config_.explain = explanations.descriptor;
        serialize();
    }
    documents_.push_back(std::move(explanations));
    if (config_text_.size() > kConfigBytesMax) {
        return fail(over_limit(fmt::format("its index has {} bytes, more than the {} that are read",
                                           config_text_.size(), kConfigBytesMax)));
    }
    return {};
}

void CacheExport::serialize() {
    config_text_ = config_.serialize();
    config_descriptor_ = image::describe(kConfigType, as_bytes(config_text_));
}

bool is_explained(const solve::StepRecord& step) {
    return step.resolution != solve::Resolution::imported ||
           std::ranges::none_of(step.keys,
                                [](const solve::StepKey& key) { return key.definition.empty(); });
}

// Whether the present cache says what this one does, and explains what this one cannot.
Result<bool> CacheExport::take_present_explanations() {
    if (std::ranges::all_of(steps_, is_explained)) {
        return false;
    }
    auto text = session_.wait_for(
        image::read_blob(session_, *target_->blobs(), *present_, kConfigBytesMax, session_.wait()));
    if (!text) {
        return text.error().code == std::errc::operation_canceled
                   ? Result<bool>{fail(std::move(text).error())}
                   : false;  // it is replaced by what can be read
    }
    const auto present = CacheConfig::parse(*text);
    if (!present || !present->explain) {
        return false;
    }
    const std::optional<codec::Descriptor> own = std::exchange(config_.explain, present->explain);
    serialize();
    if (config_descriptor_.digest == present_->digest) {
        documents_.push_back({.descriptor = *present->explain, .bytes = {}});
        return true;
    }
    config_.explain = own;
    serialize();
    return false;
}

// From the caches in which steps were found. Whether there was anything to add.
bool CacheExport::complete_steps() {
    bool added = false;
    for (solve::StepRecord& step : steps_) {
        if (is_explained(step) || built_.imports == nullptr) {
            continue;  // what nobody knows is left out of the explanations, and of nothing else
        }
        for (solve::StepKey& key : step.keys) {
            const auto known = built_.imports->explanation(key.key);
            if (!known) {
                continue;
            }
            key.definition = key.definition.empty() ? known->definition : key.definition;
            step.files = step.files.empty() ? known->files : std::move(step.files);
            added = true;
        }
    }
    return added;
}

// Steps that several platforms have come once.
void CacheExport::list_steps() {
    std::set<codec::Digest> known;
    for (const solve::StepRecord& step : built_.records) {
        if (step.keys.empty()) {
            dropped_.add(step.text, DropList::Fate::left_out, "nothing proves its key");
        } else if (known.insert(step.keys.front().key).second) {
            steps_.push_back(step);
        }
    }
}

Result<std::string> CacheExport::registry_of(const codec::Digest& blob) {
    TRY(const std::vector<store::Origin> origins, store_.origins(blob));
    const auto place =
        std::ranges::find(origins, store::Origin::Kind::registry, &store::Origin::kind);
    return place == origins.end() ? std::string{"its registry"} : place->host;
}

// The blobs that the manifest names, and how layers came to be there.
Result<void> CacheExport::count_layers() {
    std::set<codec::Digest> named;
    for (const CacheLayer& used : config_.layers) {
        named.insert(used.blob.digest);
    }
    std::map<codec::Digest, codec::Descriptor> sorted;
    std::set<codec::Digest> counted;
    for (const auto& [id, placed] : layers_) {
        if (!placed.layer || !named.contains(placed.layer->descriptor.digest) ||
            !counted.insert(placed.layer->descriptor.digest).second) {
            continue;  // accounted for already: its records were dropped, or share it
        }
        const codec::Descriptor& blob = placed.layer->descriptor;
        ++exported_.layers;
        switch (placed.way) {
            case BlobWay::present: break;
            case BlobWay::mounted: ++exported_.mounted; break;
            case BlobWay::uploaded:
                ++exported_.uploaded;
                exported_.uploaded_bytes += blob.size_bytes;
                break;
            case BlobWay::elsewhere: {
                TRY(const std::string registry, registry_of(blob.digest));
                ++exported_.elsewhere[registry];
                continue;
            }
        }
        codec::Descriptor written = blob;
        written.annotations["containerd.io/uncompressed"] = placed.layer->diff_id.text();
        sorted.emplace(blob.digest, std::move(written));
    }
    for (const exporter::NamedDocument& document : documents_) {
        sorted.emplace(document.descriptor.digest, document.descriptor);
    }
    for (auto& [digest, blob] : sorted) {
        named_.push_back(std::move(blob));
    }
    return {};
}

Result<void> CacheExport::put_documents() {
    exporter::NamedDocument config;
    config.descriptor = config_descriptor_;
    config.bytes.assign(as_bytes(config_text_).begin(), as_bytes(config_text_).end());
    documents_.push_back(std::move(config));
    auto one = [this](std::size_t i) -> Result<void> {
        // Without bytes: explanations that the present cache names.
        return documents_[i].bytes.empty() ? Result<void>{} : target_->put_bytes(documents_[i]);
    };
    return exporter::run_parallel(documents_.size(), exporter::parallel_threads(session_), one);
}

Result<void> CacheExport::commit() {
    CHECK_OK(session_.check_interrupt());
    task_.step("writing cache manifest", 0, 1);
    TRY(const Committed committed, target_->commit(config_descriptor_, named_));
    exported_.root = committed.root;
    exported_.unchanged = committed.unchanged;
    task_.step("writing cache manifest " + committed.root.digest.text(), 1, 1);
    return committed.unchanged ? Result<void>{} : check();
}

// What others will read is read, and compared with what was meant; blobs that were there before are
// not asked for again.
Result<void> CacheExport::check() {
    std::map<codec::Digest, codec::Descriptor> moved;
    for (const auto& [id, placed] : layers_) {
        if (placed.layer && (placed.way == BlobWay::uploaded || placed.way == BlobWay::mounted)) {
            moved.emplace(placed.layer->descriptor.digest, placed.layer->descriptor);
        }
    }
    std::vector<codec::Descriptor> blobs;
    for (auto& [digest, blob] : moved) {
        blobs.push_back(std::move(blob));
    }
    return check_written(target_->blobs(), config_descriptor_, config_, blobs, session_);
}

Result<void> CacheExport::write() {
    if (built_.imports != nullptr) {
        built_.imports->wait();  // layers may be nowhere but in them
    }
    TRY(target_, open_target(to_, store_, session_));
    TRY(present_, target_->look());
    list_steps();
    choose_layers();
    CHECK_OK(put_layers());
    CHECK_OK(make_config());
    CHECK_OK(count_layers());
    // Before anything has the name: a poorer cache would take the place of a good one.
    refused_ = exported_.dropped > 0 && to_.strict;
    if (refused_) {
        return fail(
            dropped_.refusal(exported_.records + exported_.metadata_only + exported_.dropped));
    }
    CHECK_OK(put_documents());
    CHECK_OK(commit());
    return {};
}

Result<ExportedCache> CacheExport::run() {
    Result<void> written = write();
    if (!written) {
        written = fail(std::move(written).error().context("cache " + exported_.name));
        if (exported_.root.size_bytes == 0 && !refused_) {
            exported_.warnings.clear();  // nobody has to know what a cache lacks that is not there
        }
    }
    const bool give_up = !written && written.error().code != std::errc::operation_canceled;
    if (give_up && to_.ignore_error) {
        exported_.warnings.push_back(written.error().message);
        written = {};
        exported_.failed = true;
    }
    if (written && !exported_.failed) {
        task_.step(exported_.summary(to_.mode), 1, 1);
    }
    task_.close(written);
    for (const std::string& warning : exported_.warnings) {
        progress_.warn(exported_.failed && &warning == &exported_.warnings.back()
                           ? warning
                           : fmt::format("cache {}: {}", exported_.name, warning));
    }
    if (!written) {
        return fail(std::move(written).error());
    }
    return std::move(exported_);
}

}  // namespace

std::string ExportedCache::summary(Mode mode) const {
    std::string text = fmt::format("cache {}: {} record{} exported, {} metadata only", name,
                                   records, records == 1 ? "" : "s", metadata_only);
    if (metadata_only > 0 && mode == Mode::min) {
        text += " (mode=min)";
    }
    text += fmt::format(", {} dropped; {} layers, {} uploaded ({}), {} mounted", dropped, layers,
                        uploaded, image::size_text(uploaded_bytes), mounted);
    if (mounts > 0) {
        text += fmt::format(", {} cache mount{}", mounts, mounts == 1 ? "" : "s");
    }
    for (const auto& [registry, count] : elsewhere) {
        const bool first = registry == elsewhere.begin()->first;
        const std::string_view base_layers = count == 1 ? "base layer stays" : "base layers stay";
        text += first ? fmt::format("; {} {} in {}", count, base_layers, registry)
                      : fmt::format(", {} in {}", count, registry);
    }
    if (unchanged) {
        text += "; unchanged";
    }
    return text;
}

Result<ExportedCache> export_cache(const CacheTo& to, const BuiltCache& built,
                                   layers::LayerStore& store, image::Session& session,
                                   solve::Progress& progress) {
    return CacheExport{to, built, store, session, progress}.run();
}

}  // namespace lazybuild::cache
