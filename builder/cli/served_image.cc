// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/served_image.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <span>
#include <utility>

#include "base/file.h"
#include "builder/image/work.h"
#include "fuse/host_support.h"
#include "fuse/mounts.h"

namespace lazybuild::cli {
namespace {

/// The topmost mount of `target`, if there is one.
Result<std::optional<fuse::MountEntry>> mount_at(const std::string& target) {
    TRY(std::vector<fuse::MountEntry> mounts, fuse::mounts_under(target));
    for (fuse::MountEntry& mount : mounts | std::views::reverse) {
        if (mount.target == target) {
            return std::optional{std::move(mount)};
        }
    }
    return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<ServedImage>> ServedImage::open(image::Session& session,
                                                       const MountState& state,
                                                       layer::FetchOptions options) {
    std::unique_ptr<ServedImage> image{new ServedImage(session, state)};
    TRY(image->store_, store::Store::open(state.store_path()));
    TRY(const fuse::ErofsBacking backing,
        fuse::choose_erofs_backing(state.store_path(), std::nullopt));
    TRY(image->manager_,
        layer::LayerManager::open(*image->store_, session.client(), session.reactor(),
                                  session.pool(), options, backing));
    return image;
}

io::Task<Result<void>> ServedImage::resolve(std::vector<layer::LayerRequest> layers) {
    layers_.resize(layers.size());
    std::vector<io::Task<Result<void>>> tasks;
    tasks.reserve(layers.size());
    for (std::size_t i = 0; i < layers.size(); ++i) {
        tasks.push_back(resolve_one(i, std::move(layers[i])));
    }
    co_return co_await image::run_all(session_, std::move(tasks));
}

io::Task<Result<void>> ServedImage::resolve_one(std::size_t place, layer::LayerRequest request) {
    const std::string name = request.blob.text();
    auto id = co_await manager_->resolve(std::move(request), session_.wait());
    if (!id) {
        co_return fail(std::move(id).error().context("layer " + name));
    }
    layers_[place] = *id;
    co_return Result<void>{};
}

Result<void> ServedImage::mount_layers() {
    layers_mounted_ = true;
    std::vector<layer::LowerSnapshot> topmost_first;
    for (const store::LayerId layer : layers_ | std::views::reverse) {
        topmost_first.push_back({.layer = layer});
    }
    for (std::size_t i = 0; i < topmost_first.size(); ++i) {
        const std::string place = state_.path() + "/" + MountState::layer_mount_point(i);
        CHECK_OK(make_directories(place));
        const auto below = std::span{topmost_first}.subspan(i + 1);
        CHECK_OK(manager_->mount(*topmost_first[i].layer, below, place));
    }
    return {};
}

Result<void> ServedImage::mount(const std::string& target) {
    CHECK_OK(mount_layers());
    fuse::OverlayMount overlay{
        .lowers = {}, .upper = {}, .work = {}, .target = target, .lowers_directory = state_.path()};
    // Without an upper directory overlayfs wants two lower ones: an empty one is always the lowest.
    const std::size_t count = layers_.size() + 1;
    for (std::size_t i = 0; i < count; ++i) {
        overlay.lowers.push_back(MountState::layer_mount_point(i));
    }
    CHECK_OK(make_directories(state_.path() + "/" + overlay.lowers.back()));
    CHECK_OK(fuse::mount_overlay(overlay));
    target_ = target;
    TRY(const std::optional<fuse::MountEntry> entry, mount_at(target));
    if (!entry) {
        return fail(errno_error(target + " is not in the mount table", ENOENT));
    }
    device_major_ = entry->device_major;
    device_minor_ = entry->device_minor;
    return {};
}

Result<bool> ServedImage::mounted() const {
    TRY(const std::vector<fuse::MountEntry> mounts, fuse::mounts_under(target_));
    return std::ranges::any_of(mounts, [this](const fuse::MountEntry& mount) {
        return mount.device_major == device_major_ && mount.device_minor == device_minor_;
    });
}

Result<void> ServedImage::detach() {
    return fuse::unmount(target_, fuse::UnmountMode::detach);
}

Result<bool> ServedImage::end_if_unused() {
    if (std::exchange(layers_mounted_, false)) {
        // Overlays keep what they need of it; the layers' own places need not stay.
        TRY(const auto mounts, fuse::mounts_under(state_.path() + "/l"));
        for (const fuse::MountEntry& mount : mounts | std::views::reverse) {
            CHECK_OK(fuse::unmount(mount.target, fuse::UnmountMode::detach));
        }
    }
    return manager_->unmount_unused_disks();
}

void ServedImage::close() {
    manager_->close();
}

}  // namespace lazybuild::cli
