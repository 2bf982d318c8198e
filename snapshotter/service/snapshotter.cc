// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/snapshotter.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ranges>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "fuse/mounts.h"
#include "snapshotter/service/disk_usage.h"
#include "snapshotter/service/filter.h"

namespace lazybuild::service {
namespace {

using store::LayerId;
using store::SnapshotId;
using store::SnapshotKind;
using store::SnapshotRecord;

// As containerd's overlayfs snapshotter makes them: what is mounted as / must be open to all.
constexpr unsigned kContentMode = 0755;
constexpr unsigned kWorkMode = 0711;

// A layer that was resolved ahead of its Prepare is not garbage yet.
constexpr std::chrono::nanoseconds kUnusedLayerAge = std::chrono::minutes{10};

/// What broke on this side must not look like an answer about the request: containerd acts on
/// "not found" and "already exists".
Error broken(Error error) {
    return Error{std::errc::io_error, std::move(error.message)};
}

Error unavailable(const SnapshotRecord& snapshot, std::string_view reason) {
    return Error{std::errc::resource_unavailable_try_again,
                 fmt::format("remote snapshot {:?} cannot be served: {}", snapshot.name, reason)};
}

Result<void> make_directory(const std::string& path, unsigned mode) {
    // chmod, because mkdir's mode goes through the umask.
    if (::mkdir(path.c_str(), mode) != 0 || ::chmod(path.c_str(), mode) != 0) {
        return fail(broken(errno_error("mkdir " + path)));
    }
    return {};
}

/// Without an owner of its own, the merged root directory would belong to whoever runs this.
Result<void> copy_owner(const std::string& from, const std::string& to) {
    struct stat status{};
    // `from` may be a lazy layer's root: its inode is in memory since the mount, nothing is read.
    if (::stat(from.c_str(), &status) != 0) {
        return fail(broken(errno_error("stat " + from)));
    }
    if (::lchown(to.c_str(), status.st_uid, status.st_gid) != 0) {
        return fail(broken(errno_error("chown " + to)));
    }
    return {};
}

void remove_directory(const std::string& path) {
    if (auto removed = remove_tree(path); !removed) {
        log::warning("a directory stays until the next start",
                     {{"path", path}, {"reason", removed.error().message}});
    }
}

std::string remote_name(const std::vector<SnapshotRecord>& parents, const std::string& ref) {
    // The same chain id over two parents (one pulled, one remote) is two snapshots.
    const std::uint64_t parent = parents.empty() ? 0 : std::to_underlying(parents.front().id);
    return fmt::format("remote/{}/{}", parent, ref);
}

std::string reference_of(const SnapshotRequest& request) {
    const auto label = request.labels.find(std::string{store::kSnapshotRefLabel});
    return label == request.labels.end() ? "" : label->second;
}

}  // namespace

Snapshotter::Snapshotter(store::Store& store, LazyLayers& layers,
                         std::vector<std::string> overlay_options)
    : store_(store),
      layers_(layers),
      overlay_options_(std::move(overlay_options)),
      removals_([this](const SnapshotRecord& removed) { discard(removed); }) {}

Result<void> Snapshotter::restore() {
    TRY(const std::vector<SnapshotRecord> snapshots, store_.snapshots());
    std::size_t remote = 0;
    {
        const std::lock_guard held{mutex_};
        CHECK_OK(adopt_mounts(snapshots));
        const std::size_t adopted = mounted_.size();
        for (const SnapshotRecord& snapshot : snapshots) {
            remote += snapshot.layer ? 1 : 0;
            if (!snapshot.layer || mounted_.contains(snapshot.id)) {
                continue;
            }
            if (auto mounted = mount_remote(snapshot, *snapshot.layer); !mounted) {
                log::warning("a remote snapshot could not be mounted again",
                             {{"snapshot", snapshot.name}, {"reason", mounted.error().message}});
            }
        }
        log::info("restored", {{"snapshots", snapshots.size()},
                               {"remote", remote},
                               {"mounted", mounted_.size()},
                               {"adopted", adopted}});
    }
    CHECK_OK(store_.remove_unknown_directories());
    TRY(const std::vector<store::LayerRecord> layers, store_.layers());
    const std::lock_guard held{mutex_};
    for (const store::LayerRecord& layer : layers) {
        forget_if_unused(layer.id);
    }
    return {};
}

/// Of what a predecessor has left mounted, keeps what still serves a remote snapshot, and takes
/// away the rest: half-made and removed snapshots', and those on layers that have changed.
Result<void> Snapshotter::adopt_mounts(const std::vector<SnapshotRecord>& snapshots) {
    TRY(const std::string top, fuse::resolve_mount_point(store_.root() + "/snapshots"));
    TRY(const std::vector<fuse::MountEntry> mounts, fuse::mounts_under(top));
    std::map<std::string, const SnapshotRecord*> remotes;  // by where they are mounted
    for (const SnapshotRecord& snapshot : snapshots) {
        if (snapshot.layer) {
            remotes[fmt::format("{}/{}/fs", top, std::to_underlying(snapshot.id))] = &snapshot;
        }
    }
    std::size_t removed = 0;
    for (const fuse::MountEntry& mount : mounts | std::views::reverse) {
        const auto remote = remotes.find(mount.target);
        if (mount.target == top) {  // somebody may have put the directory on a disk of its own
            continue;
        }
        // A place with several mounts is nobody's work.
        if (remote != remotes.end() && is_adoptable(*remote->second, mount) &&
            std::ranges::count(mounts, mount.target, &fuse::MountEntry::target) == 1) {
            mounted_[remote->second->id] = *remote->second->layer;
            continue;
        }
        CHECK_OK(fuse::unmount(mount.target, fuse::UnmountMode::detach));
        ++removed;
    }
    if (removed > 0) {
        log::info("unmounted what was left over", {{"mounts", removed}});
    }
    return {};
}

bool Snapshotter::is_adoptable(const SnapshotRecord& snapshot, const fuse::MountEntry& mount) {
    const auto below = snapshots_below(snapshot);
    const Result<bool> same =
        below ? layers_.is_mounted(*snapshot.layer, *below, mount) : fail(below.error());
    return same && *same;
}

void Snapshotter::unmount_all() {
    const std::lock_guard held{mutex_};
    while (!mounted_.empty()) {
        unmount_remote(std::prev(mounted_.end())->first);
    }
}

Result<std::vector<MountAdvice>> Snapshotter::prepare(const SnapshotRequest& request) {
    return create(SnapshotKind::active, request);
}

Result<std::vector<MountAdvice>> Snapshotter::view(const SnapshotRequest& request) {
    return create(SnapshotKind::view, request);
}

Result<std::vector<MountAdvice>> Snapshotter::create(SnapshotKind kind,
                                                     const SnapshotRequest& request) {
    TRY(std::vector<SnapshotRecord> chain, usable_chain(request.parent));
    TRY(SnapshotRecord record, create_record(kind, request, chain));
    chain.insert(chain.begin(), std::move(record));
    return advise_mounts(store_, chain, overlay_options_);
}

Result<SnapshotRecord> Snapshotter::create_record(SnapshotKind kind, const SnapshotRequest& request,
                                                  const std::vector<SnapshotRecord>& parents) {
    auto staged = store_.stage_snapshot();
    if (!staged) {
        return fail(broken(std::move(staged).error()));
    }
    auto filled = make_directory(*staged + "/fs", kContentMode);
    if (filled && kind == SnapshotKind::active) {
        filled = make_directory(*staged + "/work", kWorkMode);
    }
    if (filled && !parents.empty()) {
        filled = copy_owner(content_directory(store_, parents.front().id), *staged + "/fs");
    }
    auto record =
        filled ? store_.create_snapshot(kind, request.key, request.parent, request.labels, *staged)
               : Result<SnapshotRecord>{fail(std::move(filled).error())};
    if (!record) {
        remove_directory(*staged);
    }
    return record;
}

Result<std::vector<SnapshotRecord>> Snapshotter::usable_chain(const std::string& name) {
    if (name.empty()) {
        return std::vector<SnapshotRecord>{};
    }
    TRY(std::vector<SnapshotRecord> chain, store_.chain(name));
    for (const SnapshotRecord& snapshot : chain) {
        if (!snapshot.layer) {
            continue;
        }
        TRY(const std::optional<store::LayerRecord> layer, store_.layer(*snapshot.layer));
        if (layer && layer->state == store::LayerState::quarantined) {
            return fail(unavailable(snapshot, "its content is not what the image claims"));
        }
        if (auto mounted = ensure_mounted(snapshot); !mounted) {
            return fail(unavailable(snapshot, mounted.error().message));
        }
    }
    return chain;
}

Result<std::vector<MountAdvice>> Snapshotter::mounts(const std::string& key) {
    TRY(const SnapshotRecord snapshot, store_.stat_snapshot(key));
    if (snapshot.kind == SnapshotKind::committed) {
        return fail(Error{std::errc::operation_not_permitted,
                          fmt::format("snapshot {:?} is committed: only an active one or a view "
                                      "has mounts",
                                      key)});
    }
    TRY(const std::vector<SnapshotRecord> chain, usable_chain(key));
    return advise_mounts(store_, chain, overlay_options_);
}

Result<void> Snapshotter::commit(const std::string& name, const std::string& key,
                                 const store::Labels& labels, const std::string& parent) {
    store::Usage usage;
    if (auto active = store_.stat_snapshot(key); active && active->kind == SnapshotKind::active) {
        auto measured = disk_usage(content_directory(store_, active->id));
        if (!measured) {
            return fail(broken(std::move(measured).error()));
        }
        usage = *measured;
    }
    CHECK_OK(store_.commit_snapshot(key, name, labels, usage, parent));
    return {};
}

Result<void> Snapshotter::remove(const std::string& key) {
    TRY(SnapshotRecord snapshot, store_.remove_snapshot(key));
    removals_.add(std::move(snapshot));
    return {};
}

void Snapshotter::discard(const SnapshotRecord& snapshot) {
    {
        const std::lock_guard held{mutex_};
        unmount_remote(snapshot.id);
        if (snapshot.layer) {
            forget_if_unused(*snapshot.layer);
        }
    }
    remove_directory(store_.snapshot_directory(snapshot.id));
}

Result<SnapshotRecord> Snapshotter::stat(const std::string& key) {
    return store_.stat_snapshot(key);
}

Result<SnapshotRecord> Snapshotter::update(const std::string& key, const store::Labels& labels,
                                           const std::vector<std::string>& paths) {
    constexpr std::string_view kPrefix = "labels.";
    CHECK_OK(store_.stat_snapshot(key));
    bool replace = paths.empty();
    store::Labels changes;
    for (const std::string& path : paths) {
        if (path == "labels") {
            replace = true;
        } else if (path.starts_with(kPrefix) && path.size() > kPrefix.size()) {
            const std::string label = path.substr(kPrefix.size());
            const auto value = labels.find(label);
            changes[label] = value == labels.end() ? "" : value->second;
        } else {
            return fail(
                invalid(fmt::format("cannot update the field {:?} of snapshot {:?}", path, key)));
        }
    }
    return replace ? store_.replace_labels(key, labels) : store_.merge_labels(key, changes);
}

Result<std::vector<SnapshotRecord>> Snapshotter::list(const std::vector<std::string>& filters) {
    TRY(const Filter filter, Filter::parse(filters));
    TRY(std::vector<SnapshotRecord> snapshots, store_.snapshots());
    std::erase_if(snapshots, [&filter](const SnapshotRecord& one) { return !filter.matches(one); });
    return snapshots;
}

Result<store::Usage> Snapshotter::usage(const std::string& key) {
    TRY(const SnapshotRecord snapshot, store_.stat_snapshot(key));
    if (snapshot.kind != SnapshotKind::active) {
        return snapshot.usage;  // as taken at commit; nothing for a view
    }
    auto measured = disk_usage(content_directory(store_, snapshot.id));
    if (!measured) {
        return fail(broken(std::move(measured).error()));
    }
    return *measured;
}

Result<void> Snapshotter::cleanup() {
    removals_.drain();
    TRY(const std::vector<store::LayerRecord> layers, store_.layers());
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const std::lock_guard held{mutex_};
    for (const store::LayerRecord& layer : layers) {
        if (std::chrono::nanoseconds{layer.created_at_ns} + kUnusedLayerAge < now) {
            forget_if_unused(layer.id);
        }
    }
    return {};
}

Result<RemoteState> Snapshotter::remote_state(const SnapshotRequest& request) {
    if (auto taken = store_.stat_snapshot(request.key); taken) {
        return fail(Error{std::errc::file_exists,
                          fmt::format("snapshot {:?} already exists", request.key)});
    }
    if (!request.parent.empty()) {
        CHECK_OK(store_.stat_snapshot(request.parent));
    }
    TRY(const std::optional<SnapshotRecord> remote,
        store_.find_remote(reference_of(request), request.parent));
    if (!remote) {
        return RemoteState::absent;
    }
    TRY(const std::optional<store::LayerRecord> layer, store_.layer(*remote->layer));
    if (layer && layer->state == store::LayerState::quarantined) {
        return RemoteState::quarantined;
    }
    return ensure_mounted(*remote) ? RemoteState::ready : RemoteState::absent;
}

Result<void> Snapshotter::attach(const SnapshotRequest& request, LayerId layer) {
    const std::lock_guard held{mutex_};
    TRY(const std::optional<store::LayerRecord> known, store_.layer(layer));
    if (!known) {
        return fail(Error{std::errc::no_such_device, "the layer has been forgotten"});
    }
    TRY(const std::optional<SnapshotRecord> remote,
        store_.find_remote(reference_of(request), request.parent));
    return remote ? attach_again(*remote, layer) : attach_new(request, layer);
}

Result<void> Snapshotter::attach_again(const SnapshotRecord& snapshot, LayerId layer) {
    if (mounted_.contains(snapshot.id)) {
        return {};
    }
    if (*snapshot.layer != layer) {
        CHECK_OK(store_.set_snapshot_layer(snapshot.id, layer));
        forget_if_unused(*snapshot.layer);
    }
    return mount_remote(snapshot, layer);
}

Result<void> Snapshotter::attach_new(const SnapshotRequest& request, LayerId layer) {
    std::vector<SnapshotRecord> parents;
    if (!request.parent.empty()) {
        TRY(parents, store_.chain(request.parent));
    }
    // The owner of fs/ does not matter: a layer's root is mounted over it.
    TRY(const SnapshotRecord active, create_record(SnapshotKind::active, request, {}));
    auto done = mount_remote(active, layer);
    if (done) {
        store::Labels labels = request.labels;
        labels[std::string{kRemoteLabel}] = kRemoteLabelValue;
        auto committed = store_.commit_remote(
            request.key, remote_name(parents, reference_of(request)), labels, layer);
        if (!committed) {
            done = fail(std::move(committed).error());
        }
    }
    if (!done) {
        unmount_remote(active.id);
        if (auto removed = store_.remove_snapshot(request.key); !removed) {
            log::warning("a snapshot that was never announced stays",
                         {{"snapshot", request.key}, {"reason", removed.error().message}});
        }
        remove_directory(store_.snapshot_directory(active.id));
    }
    return done;
}

Result<void> Snapshotter::ensure_mounted(const SnapshotRecord& snapshot) {
    const std::lock_guard held{mutex_};
    if (mounted_.contains(snapshot.id)) {
        return {};
    }
    // It may have been removed since it was looked up, and a mount made now would stay for ever.
    // Whoever removes it from here on waits for the mutex, and unmounts what is mounted here.
    TRY(const SnapshotRecord current, store_.stat_snapshot(snapshot.name));
    if (current.id != snapshot.id || !current.layer) {
        return fail(Error{std::errc::no_such_file_or_directory, "it has been removed"});
    }
    return mount_remote(current, *current.layer);
}

Result<void> Snapshotter::mount_remote(const SnapshotRecord& snapshot, LayerId layer) {
    TRY(const std::vector<layer::LowerSnapshot> below, snapshots_below(snapshot));
    CHECK_OK(layers_.mount(layer, below, content_directory(store_, snapshot.id)));
    mounted_[snapshot.id] = layer;
    return {};
}

Result<std::vector<layer::LowerSnapshot>> Snapshotter::snapshots_below(
    const SnapshotRecord& snapshot) const {
    std::vector<layer::LowerSnapshot> below;
    if (!snapshot.parent.empty()) {
        TRY(const std::vector<SnapshotRecord> chain, store_.chain(snapshot.parent));
        for (const SnapshotRecord& lower : chain) {
            below.push_back({.id = lower.id,
                             .layer = lower.layer,
                             .directory = content_directory(store_, lower.id)});
        }
    }
    return below;
}

void Snapshotter::unmount_remote(SnapshotId id) {
    if (mounted_.erase(id) == 0) {
        return;
    }
    const std::string target = content_directory(store_, id);
    // Detached: a container that still runs on it keeps it, and nobody waits for that here.
    if (auto unmounted = fuse::unmount(target, fuse::UnmountMode::detach); !unmounted) {
        log::warning("a remote snapshot could not be unmounted",
                     {{"path", target}, {"reason", unmounted.error().message}});
    }
}

void Snapshotter::forget_if_unused(LayerId layer) {
    auto in_use = store_.layer_in_use(layer);
    if (in_use && *in_use) {
        return;
    }
    auto forgotten = in_use ? layers_.forget(layer) : fail(std::move(in_use).error());
    if (!forgotten) {
        log::warning("a layer that nothing uses stays",
                     {{"layer", std::to_underlying(layer)}, {"reason", forgotten.error().message}});
    }
}

}  // namespace lazybuild::service
