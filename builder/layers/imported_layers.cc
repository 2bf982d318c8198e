// SPDX-License-Identifier: Apache-2.0
#include "builder/layers/imported_layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "builder/layers/blob_ways.h"
#include "builder/layers/image_layer_ids.h"
#include "codec/tree_digest.h"
#include "snapshotter/layer/plain_layer.h"

namespace lazybuild::layers {
namespace {

Error holds_another(const codec::Digest& held, const codec::Digest& id) {
    return corrupt(fmt::format("it holds the layer {}, not {}", held.text(), id.text()));
}

/// Whether an index could not be used, though the blob itself may hold what is wanted.
bool index_is_no_good(const Error& error) {
    return error.code == std::errc::not_supported || error.code == std::errc::bad_message ||
           error.code == std::errc::argument_out_of_domain;
}

std::optional<codec::Digest> claimed_diff_id(const LayerBlob& blob) {
    return blob.diff_id == codec::Digest{} ? std::nullopt : std::optional{blob.diff_id};
}

}  // namespace

Result<void> ImportedLayers::add(const std::shared_ptr<image::ImageSource>& source,
                                 const std::vector<ImportedLayer>& layers) {
    std::vector<codec::Digest> blobs;
    blobs.reserve(layers.size());
    for (const ImportedLayer& layer : layers) {
        blobs.push_back(layer.blob.descriptor.digest);
    }
    CHECK_OK(context_.records.add_origins(blobs, source->origin()));
    const std::lock_guard lock(mutex_);
    for (const ImportedLayer& layer : layers) {
        std::shared_ptr<Known>& known = known_[layer.id];
        if (known == nullptr) {
            known = std::make_shared<Known>();
        }
        const bool told = std::ranges::any_of(known->claims, [&](const Claim& claim) {
            return claim.source == source &&
                   claim.blob.descriptor.digest == layer.blob.descriptor.digest;
        });
        if (!told) {
            Claim& claim = known->claims.emplace_back(source, layer.blob);
            claim.blob.from_base = false;
            claim.blob.imported = true;
        }
    }
    return {};
}

std::vector<LayerBlob> ImportedLayers::blobs(const codec::Digest& layer) const {
    const std::lock_guard lock(mutex_);
    std::vector<LayerBlob> blobs;
    const auto known = known_.find(layer);
    if (known == known_.end()) {
        return blobs;
    }
    for (const Claim& claim : known->second->claims) {
        const bool listed = std::ranges::any_of(blobs, [&claim](const LayerBlob& blob) {
            return blob.descriptor.digest == claim.blob.descriptor.digest;
        });
        if (!claim.failed && !listed) {
            blobs.push_back(claim.blob);
        }
    }
    return blobs;
}

/// nullptr when there is no such claim, or it is known to be no good.
ImportedLayers::Claim* ImportedLayers::usable(Known& known, std::size_t index) const {
    const std::lock_guard lock(mutex_);
    Claim& claim = known.claims[index];
    return claim.failed ? nullptr : &claim;
}

Result<LayerPointer> ImportedLayers::find(const codec::Digest& id) {
    std::shared_ptr<Known> known;
    std::size_t claims = 0;
    {
        const std::lock_guard lock(mutex_);
        const auto found = known_.find(id);
        if (found == known_.end()) {
            return nullptr;
        }
        known = found->second;
        claims = known->claims.size();
    }
    const std::lock_guard opening(known->opening);
    LayerPointer layer = known->layer.lock();
    if (layer == nullptr) {
        TRY(layer, context_.places.find(id));  // of somebody who was quicker
    }
    for (std::size_t i = 0; layer == nullptr && i < claims; ++i) {
        Claim* const claim = usable(*known, i);
        if (claim == nullptr) {
            continue;
        }
        auto opened = open(id, *claim);
        if (opened) {
            layer = *std::move(opened);
            continue;
        }
        if (context_.session.wait().cancel.cancelled()) {
            return opened;
        }
        context_.session.console().warn(
            fmt::format("{}: the layer in blob {} is not used: {}", claim->source->name(),
                        claim->blob.descriptor.digest.text(), opened.error().message));
        const std::lock_guard lock(mutex_);
        claim->failed = true;
    }
    known->layer = layer;
    return layer;
}

Result<LayerPointer> ImportedLayers::open(const codec::Digest& id, Claim& claim) {
    TRY(LayerPointer layer, open_lazy(id, claim));
    return layer == nullptr ? unpack(id, claim) : std::move(layer);
}

/// nullptr when only reading all of the blob can tell what it holds.
Result<LayerPointer> ImportedLayers::open_lazy(const codec::Digest& id, Claim& claim) {
    const codec::Descriptor& blob = claim.blob.descriptor;
    const std::optional<codec::Digest> toc = annotated_toc(blob);
    const std::shared_ptr<LazyCache> lazy = toc ? context_.lazy_cache() : nullptr;
    if (lazy == nullptr) {
        return nullptr;
    }
    if (claim.proven) {
        return std::make_shared<LazyLayer>(lazy, *claim.proven, id, blob.size_bytes);
    }
    TRY(const std::vector<store::Origin> origins, context_.records.origins(blob.digest));
    CHECK_OK(lazy->add_origins(blob.digest, claim.source->origin(), origins));
    const auto number =
        context_.session.wait_for(lazy->resolve({.origin = claim.source->origin(),
                                                 .blob = blob.digest,
                                                 .blob_size_bytes = blob.size_bytes,
                                                 .toc = *toc,
                                                 .diff_id = claimed_diff_id(claim.blob)}));
    if (!number) {
        return index_is_no_good(number.error()) ? Result<LayerPointer>{nullptr}
                                                : fail(number.error());
    }
    auto layer = std::make_shared<LazyLayer>(lazy, *number, id, blob.size_bytes);
    TRY(const std::shared_ptr<const codec::FileTree> tree, layer->tree());
    const std::optional<codec::Digest> held = codec::tree_digest(*tree);
    if (!held) {
        return nullptr;
    }
    if (*held != id) {
        return fail(holds_another(*held, id));
    }
    claim.proven = *number;
    return layer;
}

Result<LayerPointer> ImportedLayers::unpack(const codec::Digest& id, const Claim& claim) {
    image::Session& session = context_.session;
    const codec::Descriptor& blob = claim.blob.descriptor;
    TRY(BlobWays ways, ways_to(session, context_.records, claim.source, blob.digest));
    TRY(const std::string staged, context_.stage());
    CHECK_OK(make_directories(staged, 0700));
    layer::PlainRequest request{.blob = blob.digest,
                                .blob_size_bytes = blob.size_bytes,
                                .diff_id = claimed_diff_id(claim.blob)};
    auto unpacked = session.wait_for(layer::unpack_plain(
        session.reactor(), session.pool(),
        blob_opener(context_.records.health(), std::move(ways), blob), std::move(request), staged,
        {.identity = {}, .durable = false}, {}, session.wait()));
    if (unpacked && unpacked->disk.tree_digest != id) {
        unpacked = fail(holds_another(unpacked->disk.tree_digest, id));
    }
    if (!unpacked) {
        CHECK_OK(remove_tree(staged));
        return fail(std::move(unpacked).error());
    }
    // All of it has been read and is what its id says: a layer as those that are made here.
    return context_.places.place(staged, {.id = id,
                                          .blob_bytes = blob.size_bytes,
                                          .fetched_bytes = blob.size_bytes,
                                          .tree = std::move(unpacked->disk.tree)});
}

}  // namespace lazybuild::layers
