// SPDX-License-Identifier: Apache-2.0
#include "builder/cli/pull_labels.h"

#include <fmt/format.h>

#include <algorithm>

namespace lazybuild::cli {
namespace {

constexpr std::string_view kSnapshotPrefix = "containerd.io/snapshot/";
constexpr std::string_view kImageLayers = "containerd.io/snapshot/cri.image-layers";

bool fits(std::string_view name, std::string_view value) {
    return name.size() + value.size() <= kLabelBytesMax;
}

// This layer and those above, as many as a label holds.
std::string layer_list(const LayerLabels& labels) {
    std::string list;
    for (std::size_t i = labels.layer; i < labels.layers.size(); ++i) {
        const std::string next = (list.empty() ? "" : ",") + labels.layers[i].digest.text();
        if (!fits(kImageLayers, list + next)) {
            break;
        }
        list += next;
    }
    return list;
}

}  // namespace

codec::StringMap index_gc_labels(const codec::Index& index) {
    codec::StringMap labels;
    for (std::size_t i = 0; i < index.manifests.size(); ++i) {
        labels[fmt::format("containerd.io/gc.ref.content.m.{}", i)] =
            index.manifests[i].digest.text();
    }
    return labels;
}

codec::StringMap manifest_gc_labels(const codec::Manifest& manifest) {
    codec::StringMap labels{{"containerd.io/gc.ref.content.config", manifest.config.digest.text()}};
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
        labels[fmt::format("containerd.io/gc.ref.content.l.{}", i)] =
            manifest.layers[i].digest.text();
    }
    return labels;
}

codec::StringMap config_gc_labels(std::string_view snapshotter, const codec::Digest& chain_id) {
    return {{fmt::format("containerd.io/gc.ref.snapshot.{}", snapshotter), chain_id.text()}};
}

std::string source_label_name(const registry::Repository& repository) {
    return "containerd.io/distribution.source." + repository.host;
}

Label source_label(const registry::Repository& repository, std::string_view present) {
    std::vector<std::string> names;
    for (std::size_t start = 0; start < present.size();) {
        const std::size_t end = std::min(present.find(',', start), present.size());
        names.emplace_back(present.substr(start, end - start));
        start = end + 1;
    }
    if (std::ranges::find(names, repository.name) == names.end()) {
        names.push_back(repository.name);
    }
    std::ranges::sort(names);  // as containerd writes it
    Label label{.name = source_label_name(repository),
                .value = fmt::format("{}", fmt::join(names, ","))};
    if (!fits(label.name, label.value)) {
        label.value = repository.name;
    }
    return label;
}

codec::StringMap snapshot_labels(const LayerLabels& labels) {
    const codec::Descriptor& layer = labels.layers[labels.layer];
    codec::StringMap result;
    for (const auto& [name, value] : layer.annotations) {
        if (name.starts_with(kSnapshotPrefix) && fits(name, value)) {
            result[name] = value;
        }
    }
    // Ours come last: an annotation must not pass for them.
    result["containerd.io/snapshot.ref"] = labels.chain_id.text();
    result["containerd.io/snapshot/cri.image-ref"] = labels.image;
    result["containerd.io/snapshot/cri.manifest-digest"] = labels.manifest.text();
    result["containerd.io/snapshot/cri.layer-digest"] = layer.digest.text();
    result[std::string{kImageLayers}] = layer_list(labels);
    result["containerd.io/snapshot/diff-id"] = labels.diff_id.text();
    if (!labels.parent_chain_id.empty()) {
        result["containerd.io/snapshot/parent-chain-id"] = labels.parent_chain_id;
    }
    return result;
}

}  // namespace lazybuild::cli
