// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/remote_labels.h"

#include <fmt/format.h>

#include <initializer_list>
#include <utility>

#include "codec/layer_format.h"

namespace lazybuild::service {
namespace {

struct Found {
    std::string_view label;
    std::string_view value;
};

constexpr std::initializer_list<std::string_view> kImageLabels = {
    "containerd.io/snapshot/cri.image-ref", "containerd.io/snapshot/remote/stargz.reference"};
constexpr std::initializer_list<std::string_view> kLayerLabels = {
    "containerd.io/snapshot/cri.layer-digest", "containerd.io/snapshot/remote/stargz.digest"};
constexpr std::initializer_list<std::string_view> kLayersLabels = {
    "containerd.io/snapshot/cri.image-layers", "containerd.io/snapshot/remote/stargz.layers"};
constexpr std::initializer_list<std::string_view> kManifestLabels = {
    "containerd.io/snapshot/cri.manifest-digest"};

/// The first of `names` that is there and not empty.
std::optional<Found> find(const store::Labels& labels,
                          std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
        const auto label = labels.find(std::string{name});
        if (label != labels.end() && !label->second.empty()) {
            return Found{name, label->second};
        }
    }
    return std::nullopt;
}

Result<codec::Digest> digest_of(const Found& found) {
    auto digest = codec::Digest::parse(found.value);
    if (!digest) {
        return fail(invalid(fmt::format("label {}: {}", found.label, digest.error().message)));
    }
    return *digest;
}

Result<std::optional<codec::Digest>> optional_digest(const std::optional<Found>& found) {
    if (!found) {
        return std::nullopt;
    }
    TRY(const codec::Digest digest, digest_of(*found));
    return digest;
}

/// containerd hands on the annotations of layers as labels.
std::optional<Found> find_toc(const store::Labels& labels) {
    for (const codec::LayerFormat* format : codec::layer_formats()) {
        if (const auto found = find(labels, {format->toc_annotation})) {
            return found;
        }
    }
    return std::nullopt;
}

/// A list that was cut in the middle of a digest, or holds others than ours, is a shorter list.
std::vector<codec::Digest> digest_list(std::string_view text) {
    std::vector<codec::Digest> digests;
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        if (auto digest = codec::Digest::parse(text.substr(0, comma)); digest) {
            digests.push_back(*digest);
        }
        text = comma == text.npos ? std::string_view{} : text.substr(comma + 1);
    }
    return digests;
}

}  // namespace

bool asks_for_remote(const store::Labels& labels) {
    return find(labels, {store::kSnapshotRefLabel}).has_value();
}

Result<RemoteTarget> parse_remote_labels(const store::Labels& labels) {
    RemoteTarget target;
    const std::optional<Found> reference = find(labels, {store::kSnapshotRefLabel});
    const std::optional<Found> layer = find(labels, kLayerLabels);
    const std::optional<Found> image = find(labels, kImageLabels);
    if (!reference || !layer || !image) {
        return fail(invalid(fmt::format(
            "no label {}: containerd was not told to pass the image's labels to the snapshotter",
            !reference ? store::kSnapshotRefLabel
                       : *(layer ? kImageLabels.begin() : kLayerLabels.begin()))));
    }
    TRY(target.chain_id, digest_of(*reference));
    TRY(target.layer, digest_of(*layer));
    auto parsed = registry::Reference::parse(image->value);
    if (!parsed) {
        return fail(invalid(fmt::format("label {}: {}", image->label, parsed.error().message)));
    }
    target.image = *std::move(parsed);
    TRY(target.manifest, optional_digest(find(labels, kManifestLabels)));
    TRY(target.toc, optional_digest(find_toc(labels)));
    if (const std::optional<Found> list = find(labels, kLayersLabels); list) {
        target.layers = digest_list(list->value);
    }
    return target;
}

}  // namespace lazybuild::service
