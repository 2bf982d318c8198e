// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/lazy_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <ranges>
#include <utility>

#include "base/file.h"
#include "builder/layers/disk_usage.h"
#include "builder/layers/file_lock.h"
#include "fuse/mounts.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layers {
namespace {

/// As many builds as may run at once with lazy layers in one root.
constexpr unsigned kSlotsMax = 1000;

std::string slot_path(const std::string& root, unsigned slot) {
    return fmt::format("{}/lazy/{}", root, slot);
}

/// Of one slot: some dozens of images.
constexpr std::size_t kSlotLayersMax = 250;

/// On demand alone: a build does not wait for what it does not read.
layer::FetchOptions fetch_options() {
    layer::FetchOptions options;
    options.prefetch = false;
    options.background_fill = false;
    options.keep_index = true;
    return options;
}

Result<std::unique_ptr<store::Store>> open_free_slot(const std::string& root) {
    for (unsigned slot = 0; slot < kSlotsMax; ++slot) {
        const std::string path = slot_path(root, slot);
        CHECK_OK(make_directories(path, 0711));
        auto opened = store::Store::open(path);
        if (opened || opened.error().code != std::errc::device_or_resource_busy) {
            return opened;
        }
    }
    return fail(over_limit(fmt::format("{} builds with lazy layers run in {}", kSlotsMax, root)));
}

/// Each costs open files for as long as the build runs. Those go that no build has opened for
/// longest; none is in use yet.
Result<void> forget_oldest(store::Store& store) {
    TRY(const std::vector<store::LayerRecord> layers, store.layers());
    std::vector<std::pair<std::int64_t, store::LayerId>> by_use;
    for (const store::LayerRecord& layer : layers) {
        struct stat status{};
        const bool there = ::stat(store.layer_directory(layer.id).c_str(), &status) == 0;
        by_use.emplace_back(there ? status.st_mtim.tv_sec : 0, layer.id);
    }
    std::ranges::sort(by_use);
    for (std::size_t i = 0; i + kSlotLayersMax < by_use.size(); ++i) {
        CHECK_OK(store.delete_layer(by_use[i].second));
    }
    return {};
}

Result<void> unmount_stale(const std::string& directory) {
    TRY(const std::vector<fuse::MountEntry> mounts, fuse::mounts_under(directory));
    for (const fuse::MountEntry& mount : mounts | std::views::reverse) {
        CHECK_OK(fuse::unmount(mount.target, fuse::UnmountMode::detach));
    }
    return {};
}

}  // namespace

Result<std::shared_ptr<LazyCache>> LazyCache::open(const std::string& root, image::Session& session,
                                                   std::shared_ptr<ErofsChoice> erofs) {
    std::shared_ptr<LazyCache> cache{new LazyCache(session, std::move(erofs))};
    TRY(cache->store_, open_free_slot(root));
    CHECK_OK(unmount_stale(cache->store_->root()));
    CHECK_OK(cache->store_->remove_unknown_directories());
    CHECK_OK(forget_oldest(*cache->store_));
    // What it would mount with is not asked for: layers are mounted here.
    TRY(cache->manager_,
        layer::LayerManager::open(*cache->store_, session.client(), session.reactor(),
                                  session.pool(), fetch_options(), fuse::ErofsBacking::file));
    session.keep(cache);
    return cache;
}

Result<bool> LazyCache::knows(const layer::LayerRequest& request) const {
    TRY(const std::optional<store::LayerRecord> known,
        store_->find_layer(request.blob, request.toc));
    return known && known->state != store::LayerState::quarantined;
}

Result<void> LazyCache::add_origins(const codec::Digest& blob, const store::Origin& first,
                                    const std::vector<store::Origin>& others) {
    TRY(std::vector<store::Origin> known, store_->origins(blob));
    const auto add = [&](const store::Origin& origin) -> Result<void> {
        if (std::ranges::find(known, origin) != known.end()) {
            return {};
        }
        known.push_back(origin);
        return store_->add_origin(blob, origin);
    };
    CHECK_OK(add(first));
    for (const store::Origin& origin : others) {
        CHECK_OK(add(origin));
    }
    return {};
}

io::Task<Result<store::LayerId>> LazyCache::resolve(layer::LayerRequest request) {
    const store::LayerId layer =
        co_await io::or_return(co_await manager_->resolve(std::move(request), session_.wait()));
    // Only said for forget_oldest().
    [[maybe_unused]] const int noted =
        ::utimensat(AT_FDCWD, store_->layer_directory(layer).c_str(), nullptr, 0);
    co_return layer;
}

void LazyCache::close() {
    if (!closed_.exchange(true)) {
        manager_->close();
    }
}

Result<std::vector<LazyUsage>> LazyCache::usage(const std::string& root) {
    std::vector<LazyUsage> slots;
    TRY(const std::vector<std::string> names, names_in(root + "/lazy"));
    for (const std::string& name : names) {
        unsigned slot = 0;
        const auto parsed = std::from_chars(name.data(), name.data() + name.size(), slot);
        const std::string path = slot_path(root, slot);
        const auto size = measure(path);
        const auto changed = measure(path + "/meta.db");
        const auto lock = FileLock::try_exclusive(path + "/lock");
        if (parsed.ec == std::errc{} && size && lock) {
            slots.push_back({.slot = slot,
                             .size_bytes = size->size_bytes,
                             .used_s = changed ? changed->changed_s : size->changed_s,
                             .in_use = !lock->has_value()});
        }
    }
    return slots;
}

Result<void> LazyCache::remove(const std::string& root, unsigned slot, const std::string& trash) {
    const std::string path = slot_path(root, slot);
    auto lock = FileLock::try_exclusive(path + "/lock");
    if (!lock && lock.error().code == std::errc::no_such_file_or_directory) {
        return {};
    }
    TRY(const std::optional<FileLock> held, std::move(lock));
    if (!held) {
        return fail(errno_error(path + " is in use", EBUSY));
    }
    if (::rename(path.c_str(), trash.c_str()) != 0) {
        return fail(errno_error("rename " + path));
    }
    return remove_tree(trash);
}

namespace {

Error closed_error(const codec::Digest& id) {
    return Error{.code = std::errc::operation_canceled,
                 .message = fmt::format("layer {}: the build has ended", id.text())};
}

}  // namespace

Result<std::shared_ptr<const codec::FileTree>> LazyLayer::tree() {
    const std::lock_guard lock(mutex_);
    if (tree_ == nullptr) {
        TRY(tree_, cache_->manager().tree(number_));
    }
    return tree_;
}

Result<void> LazyLayer::read_disk(std::uint64_t offset_bytes, MutableByteView out) {
    if (cache_->closed()) {
        return fail(closed_error(id_));
    }
    image::Session& session = cache_->session();
    return session.wait_for(cache_->manager().read(number_, offset_bytes, out, session.wait()));
}

Result<void> LazyLayer::mount(const std::string& image, const std::string& target) {
    if (cache_->closed()) {
        return fail(closed_error(id_));
    }
    TRY(const std::string device, cache_->manager().device_path(number_));
    const std::string own = store::tree_path(cache_->store().layer_directory(number_));
    return cache_->erofs().mount(image.empty() ? own : image, device, target);
}

std::uint64_t LazyLayer::failed_reads() const {
    return cache_->manager().failed_reads(number_);
}

std::uint64_t LazyLayer::fetched_bytes() const {
    return cache_->manager().fetched_bytes(number_);
}

}  // namespace lazybuild::layers
