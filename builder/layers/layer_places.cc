// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/layer_places.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>
#include <utility>

#include "base/file.h"
#include "builder/layers/disk_usage.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layers {
namespace {

constexpr int kAttemptsMax = 1000;
constexpr std::chrono::milliseconds kPause{5};

Result<LayerPointer> instead_of(const std::string& staged, LayerPointer layer) {
    CHECK_OK(remove_tree(staged));
    return layer;
}

}  // namespace

Result<LayerPointer> LayerPlaces::open(DiskLayer::Options options) {
    const std::lock_guard lock(mutex_);
    std::weak_ptr<Layer>& known = open_[options.id];
    if (LayerPointer layer = known.lock()) {
        return layer;
    }
    options.erofs = erofs_;
    std::string path = path_of(options.id);
    TRY(LayerPointer layer, DiskLayer::open(path, std::move(options)));
    if (layer == nullptr) {
        return nullptr;
    }
    const LayerSettler::State state = LayerSettler::state_of(path);
    if (state == LayerSettler::State::lost) {
        layer.reset();  // and its lock
        CHECK_OK(LayerSettler::remove_lost(path));
        return nullptr;
    }
    if (state == LayerSettler::State::here) {
        settler_.add(std::move(path));
    }
    known = layer;
    return layer;
}

Result<LayerPointer> LayerPlaces::find(const codec::Digest& id, std::uint64_t blob_bytes) {
    return open({.id = id, .blob_bytes = blob_bytes});
}

Result<LayerPointer> LayerPlaces::place(const std::string& staged, DiskLayer::Options options) {
    const std::string path = path_of(options.id);
    CHECK_OK(make_directories(directory_, 0700));
    CHECK_OK(LayerSettler::mark(staged));
    for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
        // An empty directory is what is left of a layer that was removed.
        const bool renamed = ::rename(staged.c_str(), path.c_str()) == 0;
        if (!renamed && errno != EEXIST && errno != ENOTEMPTY) {
            return fail(errno_error(fmt::format("rename {} to {}", staged, path)));
        }
        TRY(LayerPointer layer, open(options));
        if (layer != nullptr) {
            return renamed ? layer : instead_of(staged, std::move(layer));
        }
        if (renamed) {
            break;  // removed in the same moment
        }
        std::this_thread::sleep_for(kPause);  // what was there is being removed
    }
    return fail(errno_error("put a layer to " + path, EBUSY));
}

Result<void> LayerPlaces::remove(const codec::Digest& id, const std::string& trash) {
    const std::string path = path_of(id);
    auto lock = FileLock::try_exclusive(store::disk_path(path));
    if (!lock && lock.error().code == std::errc::no_such_file_or_directory) {
        return {};
    }
    TRY(const std::optional<FileLock> held, std::move(lock));
    if (!held) {
        return fail(errno_error(fmt::format("layer {} is in use", id.text()), EBUSY));
    }
    // Whoever was quicker has removed it, and what is there now is new.
    if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, trash.c_str(), RENAME_NOREPLACE) != 0 &&
        errno != ENOENT) {
        return fail(errno_error("rename " + path));
    }
    return {};
}

Result<std::vector<LayerUsage>> LayerPlaces::usage() const {
    std::vector<LayerUsage> layers;
    TRY(const std::vector<std::string> names, names_in(directory_));
    for (const std::string& name : names) {
        const auto id = codec::Digest::parse("sha256:" + name);
        const std::string path = directory_ + "/" + name;
        const auto size = measure(path);
        const auto lock = FileLock::try_exclusive(store::disk_path(path));
        const auto used = measure(store::disk_path(path));
        if (id && size && used && lock) {  // otherwise it is going, or none of ours
            layers.push_back({.id = *id,
                              .size_bytes = size->size_bytes,
                              .used_s = used->changed_s,
                              .in_use = !lock->has_value()});
        }
    }
    return layers;
}

}  // namespace lazybuild::layers
