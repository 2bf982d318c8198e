// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/layer_store.h"

#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <utility>

#include "base/assert.h"
#include "base/file.h"
#include "builder/layers/base_layers.h"
#include "builder/layers/blob_places.h"
#include "builder/layers/build_directory.h"
#include "builder/layers/chain_trees.h"
#include "builder/layers/disk_usage.h"
#include "builder/layers/file_lock.h"
#include "builder/layers/imported_layers.h"
#include "builder/layers/layer_check.h"
#include "builder/layers/layer_maker.h"
#include "builder/layers/layer_places.h"
#include "builder/layers/layer_records.h"
#include "builder/layers/lazy_cache.h"
#include "builder/layers/merged_view.h"
#include "builder/layers/snapshot_mounts.h"
#include "codec/tree_digest.h"

namespace lazybuild::layers {
namespace {

// Others may pass through, as overlayfs does for those who read in a container, but not list.
constexpr unsigned kRootMode = 0711;

class OpenStore final : public LayerStore {
  public:
    OpenStore(std::string root, FileLock used, std::unique_ptr<LayerRecords> records,
              image::Session& session)
        : root_(std::move(root)),
          used_(std::move(used)),
          records_(std::move(records)),
          session_(session),
          erofs_(std::make_shared<ErofsChoice>()),
          chains_(std::make_shared<ChainTrees>()),
          layers_(root_, erofs_),
          blobs_(root_),
          bases_({.root = root_,
                  .session = session_,
                  .places = layers_,
                  .records = *records_,
                  .erofs = erofs_,
                  .stage = [this] { return staged("base"); }}),
          imported_({.session = session_,
                     .places = layers_,
                     .records = *records_,
                     .stage = [this] { return staged("import"); },
                     .lazy_cache = [this] { return bases_.lazy_cache(); }}) {}

    const std::string& root() const override { return root_; }
    Result<std::string> build_directory() override;

    Result<LayerPointer> find(const codec::Digest& id) override;
    Result<void> import_layers(std::shared_ptr<image::ImageSource> source,
                               const std::vector<ImportedLayer>& layers) override {
        return imported_.add(source, layers);
    }
    Result<std::unique_ptr<LayerMaker>> make_layer() override;
    Result<bool> check_layer(const codec::Digest& id, CheckDepth depth) override;
    Result<Snapshot> open_image(std::shared_ptr<image::ImageSource> source,
                                const image::ImageDocument& manifest,
                                const image::ConfigDocument& config) override;

    Result<std::vector<LayerBlob>> blobs(const codec::Digest& layer) override;
    Result<void> add_blob(const codec::Digest& layer, const LayerBlob& blob) override {
        return records_->add_blob(layer, blob);
    }
    Result<std::vector<store::Origin>> origins(const codec::Digest& blob) override {
        return records_->origins(blob);
    }
    Result<void> add_origin(const codec::Digest& blob, const store::Origin& origin) override {
        return records_->add_origin(blob, origin);
    }
    std::optional<std::string> blob_path(const codec::Digest& blob) override {
        return blobs_.path(blob);
    }
    Result<void> keep_blob(const codec::Digest& blob, const std::string& file) override;

    std::unique_ptr<FileSource> view(const Snapshot& snapshot) override {
        return std::make_unique<MergedView>(snapshot, chains_);
    }
    Result<void> mount(const Snapshot& snapshot, const SnapshotMount& where) override;
    Result<void> unmount(const std::string& target) override {
        return SnapshotMounts::unmount(target);
    }

    Result<Usage> usage() override;
    Result<void> remove_layer(const codec::Digest& id) override;
    Result<void> remove_blob(const codec::Digest& blob) override;
    Result<void> remove_lazy(unsigned slot) override;
    Result<void> while_alone(const std::function<Result<void>()>& work) override;

  private:
    Result<std::string> staged(std::string_view what);

    const std::string root_;
    const FileLock used_;  ///< shared, as long as anything here may be used
    const std::unique_ptr<LayerRecords> records_;
    image::Session& session_;
    const std::shared_ptr<ErofsChoice> erofs_;
    const std::shared_ptr<ChainTrees> chains_;
    LayerPlaces layers_;
    const BlobPlaces blobs_;
    BaseLayers bases_;  ///< serves what is mounted in build_, which goes first
    ImportedLayers imported_;

    std::mutex mutex_;  // guards what follows
    std::optional<BuildDirectory> build_;
    std::unique_ptr<SnapshotMounts> mounts_;
    std::size_t staged_count_ = 0;
};

Result<std::string> OpenStore::build_directory() {
    const std::lock_guard lock(mutex_);
    if (!build_) {
        TRY(BuildDirectory made, BuildDirectory::create(root_));
        build_.emplace(std::move(made));
    }
    return build_->path();
}

/// A name in the build's directory that nothing has yet.
Result<std::string> OpenStore::staged(std::string_view what) {
    TRY(const std::string directory, build_directory());
    const std::lock_guard lock(mutex_);
    return fmt::format("{}/{}-{}", directory, what, staged_count_++);
}

// What a step makes that changes nothing, on whatever machine.
const codec::Digest& empty_layer_id() {
    static const codec::Digest id = [] {
        const Result<codec::FileTree> tree = codec::FileTreeBuilder{}.finish();
        ASSERT(tree);
        return codec::tree_digest(*tree).value_or(codec::Digest{});
    }();
    return id;
}

Result<LayerPointer> OpenStore::find(const codec::Digest& id) {
    TRY(LayerPointer layer, layers_.find(id));
    if (layer != nullptr || id != empty_layer_id()) {
        return layer == nullptr ? imported_.find(id) : std::move(layer);
    }
    TRY(const auto maker, make_layer());
    return maker->finish();
}

Result<std::vector<LayerBlob>> OpenStore::blobs(const codec::Digest& layer) {
    TRY(std::vector<LayerBlob> blobs, records_->blobs(layer));
    for (LayerBlob& imported : imported_.blobs(layer)) {
        const codec::Digest digest = imported.descriptor.digest;
        const bool known = std::ranges::any_of(
            blobs, [&digest](const LayerBlob& blob) { return blob.descriptor.digest == digest; });
        if (!known) {
            blobs.push_back(std::move(imported));
        }
    }
    return blobs;
}

Result<std::unique_ptr<LayerMaker>> OpenStore::make_layer() {
    TRY(std::string place, staged("layer"));
    return PlacedLayerMaker::create(std::move(place), layers_, session_.pool());
}

// A base's layer is not named by its tree. The empty one is always at hand.
Result<bool> OpenStore::check_layer(const codec::Digest& id, CheckDepth depth) {
    TRY(const auto of_a_base, records_->unpacked(id));
    TRY(const bool here,
        check_layer_files(layers_.path_of(id), of_a_base ? std::nullopt : std::optional{id}, depth,
                          session_.wait().cancel));
    return here || id == empty_layer_id();
}

Result<Snapshot> OpenStore::open_image(std::shared_ptr<image::ImageSource> source,
                                       const image::ImageDocument& manifest,
                                       const image::ConfigDocument& config) {
    if (!manifest.manifest || manifest.manifest->layers.size() != config.config.diff_ids.size()) {
        return fail(invalid("an image's layers are asked for without its manifest and config"));
    }
    return bases_.open(std::move(source), *manifest.manifest, config.config.diff_ids);
}

Result<void> OpenStore::keep_blob(const codec::Digest& blob, const std::string& file) {
    TRY(const std::string place, staged("blob"));
    return blobs_.keep(blob, file, place);
}

Result<void> OpenStore::mount(const Snapshot& snapshot, const SnapshotMount& where) {
    TRY(const std::string directory, build_directory());
    SnapshotMounts* mounts = nullptr;
    {
        const std::lock_guard lock(mutex_);
        if (mounts_ == nullptr) {
            mounts_ = std::make_unique<SnapshotMounts>(directory, chains_);
        }
        mounts = mounts_.get();
    }
    return mounts->mount(snapshot, where);
}

Result<Usage> OpenStore::usage() {
    Usage usage;
    TRY(usage.layers, layers_.usage());
    TRY(usage.blobs, blobs_.usage());
    TRY(usage.lazy, LazyCache::usage(root_));
    TRY(usage.builds, BuildDirectory::usage(root_));
    TRY(const DiskUse all, measure(root_));
    usage.total_bytes = all.size_bytes;
    return usage;
}

Result<void> OpenStore::remove_layer(const codec::Digest& id) {
    TRY(const std::string trash, staged("trash"));
    CHECK_OK(layers_.remove(id, trash));
    CHECK_OK(records_->forget(id));
    return remove_tree(trash);
}

Result<void> OpenStore::remove_blob(const codec::Digest& blob) {
    auto removed = while_alone([&] { return blobs_.remove(blob); });
    if (!removed) {
        return fail(std::move(removed).error().context("blob " + blob.text()));
    }
    return removed;
}

// Whoever may use what has no lock of its own has this one shared. A conversion lets go of it for a
// moment in which somebody else may remove things: of no harm, since this process is about to do
// the same.
Result<void> OpenStore::while_alone(const std::function<Result<void>()>& work) {
    const std::lock_guard lock(mutex_);
    const bool alone = ::flock(used_.fd(), LOCK_EX | LOCK_NB) == 0;
    auto done = alone ? work() : fail(errno_error("a build runs in " + root_, EBUSY));
    if (::flock(used_.fd(), LOCK_SH) != 0) {
        return fail(errno_error("lock " + root_));
    }
    return done;
}

Result<void> OpenStore::remove_lazy(unsigned slot) {
    TRY(const std::string trash, staged("trash"));
    return LazyCache::remove(root_, slot, trash);
}

}  // namespace

Result<std::unique_ptr<LayerStore>> LayerStore::open(const std::string& root,
                                                     image::Session& session) {
    CHECK_OK(make_directories(root, kRootMode));
    std::error_code failure;
    const std::filesystem::path real = std::filesystem::canonical(root, failure);
    if (failure) {
        return fail(errno_error(root, failure.value()));
    }
    TRY(FileLock used, FileLock::shared(real.string() + "/lock"));
    TRY(auto records, LayerRecords::open(real.string()));
    return std::make_unique<OpenStore>(real.string(), std::move(used), std::move(records), session);
}

}  // namespace lazybuild::layers
