// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/base_layers.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/file.h"
#include "builder/image/work.h"
#include "builder/layers/blob_ways.h"
#include "builder/layers/image_layer_ids.h"
#include "codec/media_type.h"
#include "snapshotter/layer/plain_layer.h"

namespace lazybuild::layers {

using io::or_return;

/// One layer of an image on its way; a blob that an image has twice is one.
struct BaseLayers::Wanted {
    std::shared_ptr<image::ImageSource> source;
    codec::Descriptor descriptor;
    codec::Digest diff_id;
    codec::Digest id;
    std::optional<codec::Digest> toc;  ///< when it may be lazy
    std::shared_ptr<LazyCache> lazy;   ///< where; nullptr: it is unpacked
    BlobWays ways;                     ///< `source` first; when it is not all here
    bool index_is_here = false;
    std::string why_plain;  ///< though its image says that it is lazy
    LayerPointer layer;     ///< once it is open

    layer::LayerRequest lazy_request() const {
        return {.origin = source->origin(),
                .blob = descriptor.digest,
                .blob_size_bytes = descriptor.size_bytes,
                .toc = *toc,
                .diff_id = diff_id};
    }
};

BaseLayers::~BaseLayers() {
    if (lazy_ != nullptr) {
        lazy_->close();
    }
}

std::shared_ptr<LazyCache> BaseLayers::lazy_cache() {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(lazy_tried_, true) && ::geteuid() == 0) {
        auto opened = LazyCache::open(context_.root, context_.session, context_.erofs);
        if (opened) {
            lazy_ = *std::move(opened);
        } else {
            context_.session.console().warn(
                fmt::format("layers are fetched in full: {}", opened.error().message));
        }
    }
    return lazy_;
}

LayerPointer BaseLayers::lazy_layer(const Wanted& wanted, store::LayerId number) {
    const std::lock_guard lock(mutex_);
    std::weak_ptr<Layer>& known = lazy_layers_[wanted.id];
    LayerPointer layer = known.lock();
    if (layer == nullptr) {
        layer = std::make_shared<LazyLayer>(wanted.lazy, number, wanted.id,
                                            wanted.descriptor.size_bytes);
        known = layer;
    }
    return layer;
}

/// Whether a layer that was unpacked before is what this image wants.
Result<LayerPointer> BaseLayers::find_unpacked(const Wanted& wanted) {
    TRY(LayerPointer layer, context_.places.find(wanted.id, wanted.descriptor.size_bytes));
    if (layer == nullptr) {
        return nullptr;
    }
    TRY(const auto unpacked, context_.records.unpacked(wanted.id));
    if (!unpacked) {
        return nullptr;
    }
    if (unpacked->diff_id != wanted.diff_id) {
        return fail(corrupt(fmt::format("layer {}: its diffID is {}, the image's config claims {}",
                                        wanted.descriptor.digest.text(), unpacked->diff_id.text(),
                                        wanted.diff_id.text())));
    }
    return layer;
}

/// What can be had without the network.
Result<void> BaseLayers::look_here(Wanted& wanted) {
    TRY(wanted.layer, find_unpacked(wanted));
    if (wanted.layer != nullptr) {
        return {};
    }
    wanted.toc = annotated_toc(wanted.descriptor);
    if (wanted.toc) {
        wanted.lazy = lazy_cache();
    }
    TRY(wanted.ways,
        ways_to(context_.session, context_.records, wanted.source, wanted.descriptor.digest));
    if (wanted.lazy != nullptr) {
        TRY(wanted.index_is_here, wanted.lazy->knows(wanted.lazy_request()));
        TRY(const auto origins, context_.records.origins(wanted.descriptor.digest));
        CHECK_OK(
            wanted.lazy->add_origins(wanted.descriptor.digest, wanted.source->origin(), origins));
    }
    return {};
}

Result<void> BaseLayers::remember(const std::vector<WantedPointer>& layers) {
    if (layers.empty()) {
        return {};
    }
    std::vector<LayerRecords::BaseBlob> blobs;
    for (const WantedPointer& wanted : layers) {
        blobs.emplace_back(wanted->id, LayerBlob{.descriptor = wanted->descriptor,
                                                 .diff_id = wanted->diff_id,
                                                 .compression = compression_of(wanted->descriptor),
                                                 .from_base = true});
    }
    return context_.records.add_base_blobs(blobs, layers.front()->source->origin());
}

Result<Snapshot> BaseLayers::open(std::shared_ptr<image::ImageSource> source,
                                  const codec::Manifest& manifest,
                                  const std::vector<codec::Digest>& diff_ids) {
    ASSERT(manifest.layers.size() == diff_ids.size());
    const std::vector<codec::Digest> ids = image_layer_ids(manifest);
    std::vector<WantedPointer> layers;
    std::map<codec::Digest, WantedPointer> by_id;
    std::vector<io::Task<Result<void>>> tasks;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        WantedPointer& wanted = by_id[ids[i]];
        if (wanted == nullptr) {
            wanted = std::make_shared<Wanted>(Wanted{.source = source,
                                                     .descriptor = manifest.layers[i],
                                                     .diff_id = diff_ids[i],
                                                     .id = ids[i]});
            CHECK_OK(look_here(*wanted));
            if (wanted->layer == nullptr) {
                tasks.push_back(open_one(wanted));
            }
        }
        layers.push_back(wanted);
    }
    CHECK_OK(remember(layers));
    if (!tasks.empty()) {
        image::Session& session = context_.session;
        CHECK_OK(session.wait_for(image::run_all(session, std::move(tasks))));
    }
    Snapshot snapshot;
    for (const WantedPointer& wanted : layers) {
        if (!wanted->why_plain.empty()) {
            context_.session.console().warn(fmt::format("layer {} is fetched in full: {}",
                                                        wanted->descriptor.digest.text(),
                                                        std::exchange(wanted->why_plain, {})));
        }
        snapshot.layers.push_back(wanted->layer);
    }
    return snapshot;
}

/// Two images that are opened at once may have layers in common: the second waits, and then looks
/// at what is here, since its config may claim something else. Waits for as long as the work takes,
/// whose own waits end early: nothing of it goes on when this has returned.
io::Task<Result<void>> BaseLayers::open_one(WantedPointer wanted) {
    image::Session& session = context_.session;
    for (auto running = running_.find(wanted->id); running != running_.end();
         running = running_.find(wanted->id)) {
        io::Shared<LayerPointer> others = running->second;
        // Whether it came to anything is seen then.
        [[maybe_unused]] const auto theirs = co_await others.result();
        auto look = [this, wanted] { return look_here(*wanted); };
        co_await or_return(co_await io::run_on(session.pool(), session.reactor(), std::move(look)));
        if (wanted->layer != nullptr) {
            co_return Result<void>{};
        }
    }
    auto own = io::Shared<LayerPointer>::start(session.reactor(), make(wanted));
    running_.emplace(wanted->id, own);
    auto layer = co_await own.result();
    if (!layer) {
        co_return fail(
            std::move(layer).error().context("layer " + wanted->descriptor.digest.text()));
    }
    wanted->layer = *std::move(layer);
    co_return Result<void>{};
}

io::Task<Result<LayerPointer>> BaseLayers::make(WantedPointer wanted) {
    Result<LayerPointer> layer = nullptr;
    if (wanted->lazy != nullptr) {
        layer = co_await open_lazy(wanted);
    }
    if (layer && *layer == nullptr) {
        layer = co_await unpack(wanted);
    }
    running_.erase(wanted->id);
    co_return layer;
}

/// From whoever answers first; the Error is that of the image's own place.
io::Task<Result<image::LayerInspection>> BaseLayers::inspect(WantedPointer wanted) {
    const io::Wait wait = context_.session.wait();
    auto first = co_await image::inspect_layer(*wanted->source, wanted->descriptor, wait);
    for (std::size_t i = 1; i < wanted->ways.size() && !first; ++i) {
        if (wait.cancel.cancelled()) {
            break;
        }
        auto other = co_await image::inspect_layer(*wanted->ways[i], wanted->descriptor, wait);
        if (other) {
            first = std::move(other);
        }
    }
    co_return first;
}

/// nullptr, and why, when it has to be unpacked.
io::Task<Result<LayerPointer>> BaseLayers::open_lazy(WantedPointer wanted) {
    image::Session& session = context_.session;
    if (!wanted->index_is_here) {
        const auto inspection = co_await or_return(co_await inspect(wanted));
        if (!inspection.lazy) {
            wanted->why_plain = inspection.reason;
            co_return nullptr;
        }
    }
    const auto number = co_await wanted->lazy->resolve(wanted->lazy_request());
    if (number) {
        co_return lazy_layer(*wanted, *number);
    }
    if (session.wait().cancel.cancelled()) {
        co_return fail(number.error());
    }
    wanted->why_plain = number.error().message;
    co_return nullptr;
}

io::Task<Result<LayerPointer>> BaseLayers::unpack(WantedPointer wanted) {
    image::Session& session = context_.session;
    auto stage = [this]() -> Result<std::string> {
        TRY(std::string staged, context_.stage());
        CHECK_OK(make_directories(staged, 0700));
        return staged;
    };
    const std::string staged = co_await or_return(
        co_await io::run_on(session.pool(), session.reactor(), std::move(stage)));
    layer::PlainRequest request{.blob = wanted->descriptor.digest,
                                .blob_size_bytes = wanted->descriptor.size_bytes,
                                .diff_id = wanted->diff_id};
    auto unpacked = co_await layer::unpack_plain(
        session.reactor(), session.pool(),
        blob_opener(context_.records.health(), wanted->ways, wanted->descriptor),
        std::move(request), staged, {}, {}, session.wait());
    auto finish = [&]() -> Result<LayerPointer> {
        if (!unpacked) {
            CHECK_OK(remove_tree(staged));
            return fail(std::move(unpacked).error());
        }
        const std::uint64_t blob_bytes = wanted->descriptor.size_bytes;
        CHECK_OK(context_.records.set_unpacked(
            wanted->id, {.diff_id = unpacked->diff_id, .blob_bytes = blob_bytes}));
        return context_.places.place(staged, {.id = wanted->id,
                                              .blob_bytes = blob_bytes,
                                              .fetched_bytes = blob_bytes,
                                              .tree = std::move(unpacked->disk.tree)});
    };
    co_return co_await io::run_on(session.pool(), session.reactor(), std::move(finish));
}

}  // namespace lazybuild::layers
