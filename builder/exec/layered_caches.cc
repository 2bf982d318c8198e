// SPDX-License-Identifier: Apache-2.0
#include "builder/exec/layered_caches.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "builder/exec/cache_lock.h"

namespace lazybuild::exec {
namespace {

bool exists(const std::string& path) {
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0;
}

bool is_cancelled(const Error& error) {
    return error.code == std::errc::operation_canceled;
}

Result<void> make_upper(const CachePlace& place) {
    const std::string path = place.path("upper");
    CHECK_OK(remove_tree(path));
    CHECK_OK(make_directories(path, 0700));
    if (::chown(path.c_str(), place.uid, place.gid) != 0 ||
        ::chmod(path.c_str(), place.mode & 07777) != 0) {
        return fail(errno_error("owner and mode of " + path));
    }
    return {};
}

}  // namespace

MountedCache::~MountedCache() {
    auto unmounted = store_.unmount(target_);
    if (unmounted && ::rmdir(target_.c_str()) != 0) {
        unmounted = fail(errno_error("rmdir " + target_));
    }
    if (!unmounted) {
        log::warning("a cache's mount stays", {{"error", unmounted.error().message}});
    }
}

std::uint64_t MountedCache::failed_reads() const {
    std::uint64_t sum = 0;
    for (const layers::LayerPointer& layer : snapshot_.layers) {
        sum += layer->failed_reads();
    }
    return sum;
}

void LayeredCaches::note_use(const codec::Digest& key, const std::string& name) {
    const std::lock_guard lock(mutex_);
    used_.emplace(key, name);
}

std::map<codec::Digest, std::string> LayeredCaches::used() const {
    const std::lock_guard lock(mutex_);
    return used_;
}

void LayeredCaches::warn(const std::string& message) const {
    if (options_.warn) {
        options_.warn(message);
    }
}

Result<layers::Snapshot> LayeredCaches::open_layers(const std::vector<CacheLayer>& layers) {
    layers::Snapshot snapshot;
    for (const CacheLayer& wanted : layers) {
        TRY(layers::LayerPointer layer, store_.find(wanted.id));
        for (std::size_t i = 0; layer == nullptr && i < wanted.blobs.size(); ++i) {
            TRY(const auto origins, store_.origins(wanted.blobs[i].descriptor.digest));
            for (const store::Origin& origin : origins) {
                auto source =
                    options_.source ? options_.source(origin) : fail(invalid("no source of blobs"));
                if (!source) {
                    continue;  // other ways may be open
                }
                // Tried with all other places that are recorded for the blob.
                CHECK_OK(store_.import_layers(*std::move(source),
                                              {{.id = wanted.id, .blob = wanted.blobs[i]}}));
                TRY(layer, store_.find(wanted.id));
                break;
            }
        }
        if (layer == nullptr) {
            return fail(Error{std::errc::io_error,
                              fmt::format("its layer {} cannot be had", wanted.id.text())});
        }
        snapshot.layers.push_back(std::move(layer));
    }
    return snapshot;
}

Result<std::vector<CacheLayer>> LayeredCaches::describe(const std::vector<codec::Digest>& ids) {
    std::vector<CacheLayer> layers;
    for (const codec::Digest& id : ids) {
        TRY(std::vector<layers::LayerBlob> blobs, store_.blobs(id));
        layers.push_back({.id = id, .blobs = std::move(blobs)});
    }
    return layers;
}

/// Whether the cache now stands on layers. One that is there already stays what it is.
Result<bool> LayeredCaches::begin(const CachePlace& place, const io::CancelToken& cancel) {
    {
        const std::lock_guard lock(mutex_);
        if (!options_.imported || refused_.contains(place.key)) {
            return false;
        }
    }
    const std::vector<codec::Digest> ids = options_.imported(place.key);
    if (ids.empty() || ids.size() > kCacheLayersMax) {
        return false;
    }
    TRY(const std::vector<CacheLayer> layers, describe(ids));
    if (const auto opened = open_layers(layers); !opened) {
        if (is_cancelled(opened.error())) {
            return fail(opened.error());
        }
        warn(fmt::format("cache mount {} begins empty: {}", place.name, opened.error().message));
        const std::lock_guard lock(mutex_);
        refused_.insert(place.key);
        return false;
    }
    TRY(const Fd making, lock_making(place.directory, cancel));
    if (exists(place.path("tree"))) {
        return false;
    }
    if (!exists(place.path("base"))) {
        CHECK_OK(make_upper(place));
        CHECK_OK(write_cache_base(place.path("base"), {.layers = layers, .stamp = {}}));
    }
    return true;
}

Result<std::shared_ptr<MountedCache>> LayeredCaches::open(const CachePlace& place,
                                                          const io::CancelToken& cancel) {
    note_use(place.key, place.name);
    if (!exists(place.path("base"))) {
        if (exists(place.path("tree"))) {
            return nullptr;
        }
        TRY(const bool layered, begin(place, cancel));
        if (!layered) {
            return nullptr;
        }
    }
    std::shared_ptr<Slot> slot;
    {
        const std::lock_guard lock(mutex_);
        std::shared_ptr<Slot>& known = slots_[place.path("base")];
        if (known == nullptr) {
            known = std::make_shared<Slot>();
        }
        slot = known;
    }
    const std::lock_guard opening(slot->opening);
    std::shared_ptr<MountedCache> mounted = slot->mounted.lock();
    if (mounted != nullptr) {
        return mounted;
    }
    auto fresh = mount(place, cancel);
    if (!fresh && !is_cancelled(fresh.error())) {
        CHECK_OK(give_up(place, fresh.error().message, cancel));
        return nullptr;
    }
    TRY(mounted, std::move(fresh));
    slot->mounted = mounted;
    return mounted;
}

/// nullptr: somebody has given it up.
Result<std::shared_ptr<MountedCache>> LayeredCaches::mount(const CachePlace& place,
                                                           const io::CancelToken& cancel) {
    TRY(Fd lock, open_file(place.path("lock.mounted"), O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    CHECK_OK(wait_for_lock(lock.get(), LOCK_EX, cancel));
    TRY(const std::optional<CacheBase> base, read_cache_base(place.path("base")));
    if (!base) {
        return nullptr;
    }
    TRY(layers::Snapshot snapshot, open_layers(base->layers));
    TRY(const std::string build, store_.build_directory());
    std::string target;
    {
        const std::lock_guard guard(mutex_);
        target = fmt::format("{}/cache-{}", build, mounts_++);
    }
    // What an overlay that was mounted before has left there means nothing now.
    CHECK_OK(remove_tree(place.path("work")));
    CHECK_OK(make_directories(place.path("work"), 0700));
    CHECK_OK(make_directories(target, 0700));
    CHECK_OK(store_.mount(snapshot, {.target = target,
                                     .upper = place.path("upper"),
                                     .work = place.path("work"),
                                     .lasting = true}));
    return std::make_shared<MountedCache>(store_, std::move(snapshot), std::move(target),
                                          std::move(lock));
}

Result<void> LayeredCaches::give_up(const CachePlace& place, const std::string& why,
                                    const io::CancelToken& cancel) {
    {
        const std::lock_guard lock(mutex_);
        refused_.insert(place.key);
    }
    TRY(const Fd lock, open_file(place.path("lock.mounted"), O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    CHECK_OK(wait_for_lock(lock.get(), LOCK_EX, cancel));
    TRY(const Fd making, lock_making(place.directory, cancel));
    if (!exists(place.path("base"))) {
        return {};  // others have
    }
    warn(fmt::format("cache mount {} begins empty: {}", place.name, why));
    for (const char* const file : {"base", "exported", "upper", "work"}) {
        CHECK_OK(remove_tree(place.path(file)));
    }
    return {};
}

}  // namespace lazybuild::exec
