// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/snapshot_mounts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <ranges>
#include <utility>

#include "base/file.h"
#include "codec/chain_tree.h"
#include "fuse/mounts.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layers {
namespace {

/// Overlayfs takes 500 layers, of which one is the empty one.
constexpr std::size_t kLayersMax = 499;
// Others may pass through, as overlayfs does for those who read in a container.
constexpr unsigned kDirectoryMode = 0711;

}  // namespace

Result<std::string> SnapshotMounts::make_place() {
    std::string place = fmt::format("l/{}", made_++);
    CHECK_OK(make_directories(directory_ + "/" + place, kDirectoryMode));
    return place;
}

/// A first layer hides nothing: whiteouts in it would be files.
Result<std::string> SnapshotMounts::make_image(const Snapshot& up_to, const codec::FileTree& tree) {
    std::string path = fmt::format("{}/l/image-{}", directory_, made_);
    if (up_to.layers.size() > 1) {
        CHECK_OK(store::write_chain_tree(tree, up_to.id(), path));
        return path;
    }
    codec::FileTree changed = tree;
    CHECK_OK(codec::make_first_layer(changed));
    CHECK_OK(store::write_chain_tree(changed, up_to.id(), path));
    return path;
}

Result<std::string> SnapshotMounts::mount_layer(const Snapshot& up_to,
                                                const codec::FileTree& tree) {
    const LayerPointer& layer = up_to.layers.back();
    TRY(const auto own, layer->tree());
    const bool bottom = up_to.layers.size() == 1;
    const bool own_image = own.get() == &tree && !(bottom && codec::has_whiteouts(tree));
    const auto same = std::ranges::count(up_to.layers, layer->id(),
                                         [](const LayerPointer& each) { return each->id(); });
    const Key key{.layer = layer->id(),
                  .snapshot = own_image ? codec::Digest{} : up_to.id(),
                  .number = static_cast<std::size_t>(same)};
    if (const auto known = mounted_.find(key); known != mounted_.end()) {
        return known->second.place;
    }
    std::string image;
    if (!own_image) {
        TRY(image, make_image(up_to, tree));
    }
    TRY(std::string place, make_place());
    CHECK_OK(layer->mount(image, directory_ + "/" + place));
    mounted_.emplace(key, Mounted{.layer = layer, .place = place});
    return place;
}

/// A mount of its own, so that all layers' mounts go by one call when the build ends.
Result<void> SnapshotMounts::make_layers_directory() {
    if (made_ > 0) {
        return {};
    }
    const std::string path = directory_ + "/l";
    CHECK_OK(make_directories(path, kDirectoryMode));
    if (::mount(path.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
        return fail(errno_error("mount " + path));
    }
    return {};
}

/// As the root of no layers looks.
Result<void> SnapshotMounts::make_empty() {
    constexpr std::array<timespec, 2> kThen{};
    while (empty_.size() < 2) {
        TRY(std::string place, make_place());
        const std::string path = directory_ + "/" + place;
        if (::chmod(path.c_str(), 0755) != 0 ||
            ::utimensat(AT_FDCWD, path.c_str(), kThen.data(), 0) != 0) {
            return fail(errno_error(path));
        }
        empty_.push_back(std::move(place));
    }
    return {};
}

Result<void> SnapshotMounts::mount(const Snapshot& snapshot, const SnapshotMount& where) {
    if (snapshot.layers.size() > kLayersMax) {
        return fail(over_limit(fmt::format("a file system of {} layers: overlayfs takes {}",
                                           snapshot.layers.size(), kLayersMax)));
    }
    TRY(const std::vector<TreePointer> trees, chains_->trees(snapshot.layers));
    fuse::OverlayMount overlay{.lowers = {},
                               .upper = where.upper,
                               .work = where.work,
                               .target = where.target,
                               .lowers_directory = directory_,
                               .scratch = !where.lasting,
                               .whole_files = where.lasting};
    {
        const std::lock_guard lock(mutex_);
        CHECK_OK(make_layers_directory());
        Snapshot up_to;
        for (std::size_t i = 0; i < snapshot.layers.size(); ++i) {
            up_to.layers.push_back(snapshot.layers[i]);
            auto place = mount_layer(up_to, *trees[i]);
            if (!place) {
                return fail(std::move(place).error().context(
                    fmt::format("layer {}", snapshot.layers[i]->id().text())));
            }
            overlay.lowers.push_back(*std::move(place));
        }
        CHECK_OK(make_empty());
    }
    std::ranges::reverse(overlay.lowers);
    // Without an upper directory overlayfs wants two lower ones, different ones.
    overlay.lowers.push_back(empty_.front());
    if (snapshot.layers.empty()) {
        overlay.lowers.push_back(empty_.back());
    }
    return fuse::mount_overlay(overlay);
}

Result<void> SnapshotMounts::unmount(const std::string& target) {
    auto unmounted = fuse::unmount(target, fuse::UnmountMode::now);
    if (!unmounted && unmounted.error().code == std::errc::device_or_resource_busy) {
        return fuse::unmount(target, fuse::UnmountMode::detach);
    }
    return unmounted;
}

}  // namespace lazybuild::layers
