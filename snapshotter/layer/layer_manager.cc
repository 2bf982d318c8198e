// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/layer/layer_manager.h"

#include <algorithm>
#include <mutex>

#include "base/log.h"
#include "fuse/mounts.h"
#include "snapshotter/layer/whole_layer.h"
#include "snapshotter/store/layer_files.h"

namespace lazybuild::layer {

using io::or_return;
namespace {

fuse::DiskNumber disk_number(store::LayerId id) {
    return std::to_underlying(id);
}
store::LayerId layer_id(fuse::DiskNumber disk) {
    return store::LayerId{disk};
}

Error unknown_layer(store::LayerId id) {
    return Error{.code = std::errc::no_such_file_or_directory,
                 .message = fmt::format("layer {} is not served", std::to_underlying(id))};
}

}  // namespace

LayerManager::LayerManager(store::Store& store, registry::Client& client, io::Reactor& reactor,
                           io::Pool& pool, FetchOptions options, fuse::ErofsBacking backing)
    : origins_(store, client, reactor, pool),
      context_(store, origins_, reactor, pool, options),
      backing_(backing) {}

LayerManager::~LayerManager() = default;

Result<std::unique_ptr<LayerManager>> LayerManager::open(
    store::Store& store, registry::Client& client, io::Reactor& reactor, io::Pool& pool,
    FetchOptions options, fuse::ErofsBacking backing,
    std::optional<fuse::Predecessor> predecessor) {
    std::unique_ptr<LayerManager> manager{
        new LayerManager(store, client, reactor, pool, options, backing)};
    TRY(const std::vector<store::LayerRecord> records, store.layers());
    for (const store::LayerRecord& record : records) {
        if (auto served = manager->serve(record); !served) {
            log::warning("a layer's files are unusable; it is not served",
                         {{"layer", record.blob.text()}, {"error", served.error().message}});
        }
    }
    if (predecessor) {
        TRY(manager->disk_server_, fuse::DiskServer::take_over(store.disks_directory(), *manager,
                                                               *std::move(predecessor)));
        const fuse::Takeover& found = manager->disk_server_->takeover();
        log::info("took the disks over",
                  {{"journalled", found.journalled}, {"resent", found.resent}});
    } else {
        TRY(manager->disk_server_, fuse::DiskServer::mount(store.disks_directory(), *manager));
    }
    for (const std::shared_ptr<ServedLayer>& served : manager->all()) {
        ServedLayer::begin_fill(served);
    }
    return manager;
}

io::Task<Result<store::LayerId>> LayerManager::resolve(LayerRequest request, io::Wait wait) {
    const Identity identity{request.blob, request.toc};
    const std::optional<codec::Digest> diff_id = request.diff_id;
    auto running = resolving_.find(identity);
    if (running == resolving_.end()) {
        running = resolving_
                      .emplace(identity, io::Shared<store::LayerId>::start(
                                             context_.reactor, resolve_once(std::move(request))))
                      .first;
    }
    io::Shared<store::LayerId> shared = running->second;
    const store::LayerId id = co_await or_return(co_await shared.result(wait));
    if (std::shared_ptr<ServedLayer> served = find(id);
        served != nullptr && context_.options.verify_first) {
        co_await or_return(co_await ServedLayer::await_complete(std::move(served), wait));
    }
    co_await or_return(co_await check_claim(id, diff_id));
    co_return id;
}

// One layer, two images: what its content was checked against is the claim of the first. Whoever
// claims something else may be lying, and would have it mounted under another layer's name.
io::Task<Result<void>> LayerManager::check_claim(store::LayerId id,
                                                 std::optional<codec::Digest> diff_id) {
    store::Store& records = context_.store;
    auto look = [&records, id] { return records.layer(id); };
    const std::optional<store::LayerRecord> layer =
        co_await or_return(co_await io::run_on(context_.pool, context_.reactor, std::move(look)));
    if (!layer || !diff_id) {
        co_return Result<void>{};
    }
    const std::optional<codec::Digest>& known =
        layer->diff_id_verified ? layer->diff_id_verified : layer->diff_id_claimed;
    if (known != diff_id) {
        co_return fail(Error{
            .code = std::errc::permission_denied,
            .message = fmt::format("this image claims the diffID {} for it; {} {}", diff_id->text(),
                                   layer->diff_id_verified ? "it has" : "another claims",
                                   known ? known->text() : "nothing")});
    }
    co_return Result<void>{};
}

io::Task<Result<store::LayerId>> LayerManager::resolve_once(LayerRequest request) {
    const Identity identity{request.blob, request.toc};
    Result<store::LayerId> id = co_await find_or_make(std::move(request));
    // Those who wait hold the computation itself; who comes later finds the record.
    resolving_.erase(identity);
    co_return id;
}

io::Task<Result<store::LayerId>> LayerManager::find_or_make(LayerRequest request) {
    store::Store& records = context_.store;
    auto look = [&records, &request] { return records.find_layer(request.blob, request.toc); };
    const std::optional<store::LayerRecord> known =
        co_await or_return(co_await io::run_on(context_.pool, context_.reactor, std::move(look)));
    if (known && known->state == store::LayerState::quarantined) {
        co_return fail(Error{.code = std::errc::permission_denied,
                             .message =
                                 "the layer is quarantined: its content is not what an image "
                                 "claimed"});
    }
    if (known && find(known->id) != nullptr) {
        auto add_origin = [&records, &request] {
            return records.add_origin(request.blob, request.origin);
        };
        co_await or_return(
            co_await io::run_on(context_.pool, context_.reactor, std::move(add_origin)));
        co_return known->id;
    }
    const bool whole = request.toc == codec::Digest{};
    io::Wait wait{.cancel = {}};
    Result<store::LayerRecord> made;
    if (whole) {
        wait.deadline = io::deadline_in(kWholeLayerTimeMax);
        made = co_await make_whole(context_, std::move(request), wait);
    } else {
        wait.deadline = io::deadline_in(context_.options.read_timeout);
        made = co_await make_index(context_, std::move(request), wait);
    }
    const store::LayerRecord record = co_await or_return(std::move(made));
    auto open = [this, &record] { return serve(record); };
    std::shared_ptr<ServedLayer> served =
        co_await or_return(co_await io::run_on(context_.pool, context_.reactor, std::move(open)));
    ServedLayer::begin_fill(served);
    co_return record.id;
}

Result<void> LayerManager::mount(store::LayerId id, std::span<const LowerSnapshot> below,
                                 const std::string& target) {
    const std::shared_ptr<ServedLayer> served = find(id);
    if (served == nullptr) {
        return fail(unknown_layer(id));
    }
    TRY(const std::string image, image_for_chain(context_.store, id, below));
    return fuse::mount_erofs({.image_path = image,
                              .device_path = device_of(*served),
                              .target = target,
                              .backing = backing_});
}

std::string LayerManager::device_of(const ServedLayer& served) const {
    return served.complete() ? store::disk_path(context_.store.layer_directory(served.id()))
                             : disk_server_->disk_path(disk_number(served.id()));
}

Result<std::string> LayerManager::device_path(store::LayerId id) const {
    const std::shared_ptr<ServedLayer> served = find(id);
    return served == nullptr ? fail(unknown_layer(id)) : Result<std::string>{device_of(*served)};
}

Result<std::shared_ptr<const codec::FileTree>> LayerManager::tree(store::LayerId id) const {
    if (find(id) == nullptr) {
        return fail(unknown_layer(id));
    }
    TRY(codec::FileTree tree, store::read_layer_index(context_.store.layer_directory(id)));
    return std::make_shared<const codec::FileTree>(std::move(tree));
}

io::Task<Result<void>> LayerManager::read(store::LayerId id, std::uint64_t offset_bytes,
                                          MutableByteView out, io::Wait wait) {
    std::shared_ptr<ServedLayer> served = find(id);
    if (served == nullptr) {
        co_return fail(unknown_layer(id));
    }
    co_return co_await ServedLayer::read_into(std::move(served), offset_bytes, out,
                                              std::move(wait));
}

std::uint64_t LayerManager::failed_reads(store::LayerId id) const {
    const std::shared_ptr<ServedLayer> served = find(id);
    return served == nullptr ? 0 : served->counters().failed_reads.load();
}

std::uint64_t LayerManager::fetched_bytes(store::LayerId id) const {
    const std::shared_ptr<ServedLayer> served = find(id);
    return served == nullptr ? 0 : served->counters().fetched_bytes.load();
}

Result<bool> LayerManager::is_mounted(store::LayerId id, std::span<const LowerSnapshot> below,
                                      const fuse::MountEntry& mount) {
    if (find(id) == nullptr) {
        return false;
    }
    TRY(const std::string image, image_for_chain(context_.store, id, below));
    return fuse::is_erofs_of(mount, image);
}

Result<void> LayerManager::forget(store::LayerId id) {
    // The record first: it refuses while a snapshot names the layer, which then is served on.
    CHECK_OK(context_.store.delete_layer(id));
    std::shared_ptr<ServedLayer> served;
    {
        const std::unique_lock lock{mutex_};
        if (auto found = layers_.find(id); found != layers_.end()) {
            served = std::move(found->second);
            layers_.erase(found);
        }
    }
    if (served != nullptr) {
        ServedLayer::retire(served);
    }
    return {};
}

void LayerManager::flush() {
    for (const std::shared_ptr<ServedLayer>& served : all()) {
        if (auto flushed = served->flush(); !flushed) {
            log::error("what has come of a layer could not be made durable",
                       {{"layer_id", std::to_underlying(served->id())},
                        {"error", flushed.error().message}});
        }
    }
}

void LayerManager::close() {
    disk_server_.reset();
    for (const std::shared_ptr<ServedLayer>& served : all()) {
        ServedLayer::retire(served);
        if (auto closed = served->close(); !closed) {
            log::error("a layer could not be closed cleanly; it is verified again when it is read",
                       {{"layer_id", std::to_underlying(served->id())},
                        {"error", closed.error().message}});
        }
    }
}

std::optional<std::uint64_t> LayerManager::disk_size_bytes(fuse::DiskNumber disk) {
    const std::shared_ptr<ServedLayer> served = find(layer_id(disk));
    return served == nullptr ? std::nullopt : std::optional{served->disk_size_bytes()};
}

std::vector<fuse::DiskNumber> LayerManager::disks() {
    std::vector<fuse::DiskNumber> numbers;
    for (const std::shared_ptr<ServedLayer>& served : all()) {
        numbers.push_back(disk_number(served->id()));
    }
    return numbers;
}

void LayerManager::read(fuse::DiskNumber disk, std::uint64_t offset_bytes,
                        std::uint32_t /*size_bytes*/, fuse::ReadReply reply) {
    const std::shared_ptr<ServedLayer> served = find(layer_id(disk));
    if (served == nullptr) {
        reply.error(EIO);
        return;
    }
    ServedLayer::read(served, offset_bytes, std::move(reply));
}

Result<std::shared_ptr<ServedLayer>> LayerManager::serve(const store::LayerRecord& record) {
    TRY(std::shared_ptr<ServedLayer> served, ServedLayer::open(context_, record));
    const std::unique_lock lock{mutex_};
    layers_.insert_or_assign(record.id, served);
    return served;
}

std::shared_ptr<ServedLayer> LayerManager::find(store::LayerId id) const {
    const std::shared_lock lock{mutex_};
    const auto found = layers_.find(id);
    return found == layers_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<ServedLayer>> LayerManager::all() const {
    std::vector<std::shared_ptr<ServedLayer>> served;
    const std::shared_lock lock{mutex_};
    served.reserve(layers_.size());
    for (const auto& [id, layer] : layers_) {
        served.push_back(layer);
    }
    return served;
}

}  // namespace lazybuild::layer
