// SPDX-License-Identifier: Apache-2.0
#include "builder/export/documents.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "builder/image/image_documents.h"
#include "codec/media_type.h"
#include "codec/oci_manifest.h"
#include "snapshotter/registry/base64.h"

namespace lazybuild::exporter {
namespace {

/// Annotations by which programs talk to themselves, and which a manifest is not to repeat.
constexpr std::string_view kInternalAnnotations[] = {"containerd.io/uncompressed", "buildkit/",
                                                     "containerd.io/distribution.source."};

Result<std::string> docker_type(const std::string& type) {
    if (codec::is_foreign_layer(type)) {
        return type;
    }
    const auto compression = codec::layer_compression(type);
    if (compression == codec::Compression::gzip) {
        return std::string{codec::media_type::kDockerLayerGzip};
    }
    if (compression == codec::Compression::none) {
        return std::string{codec::media_type::kDockerLayer};
    }
    return fail(
        invalid(fmt::format("oci-mediatypes=false: Docker has no type for a layer of \"{}\"; with "
                            "force-compression=true it becomes gzip",
                            type)));
}

// How many entries of the history are those of the base's config.
Result<std::size_t> base_history(const graph::ImageSettings& settings) {
    if (settings.original.empty()) {
        return 0;
    }
    TRY(const auto base, graph::ImageSettings::parse(as_bytes(settings.original)));
    return std::min(base.history.size(), settings.history.size());
}

// As many entries with a layer as there are layers, or none at all: tools count them. Bases exist
// whose history is silent about some layers.
void fit_history(std::vector<graph::History>& history, std::size_t base_entries,
                 std::size_t layers) {
    if (history.empty()) {
        return;
    }
    auto with_layer = static_cast<std::size_t>(
        std::ranges::count_if(history, [](const auto& each) { return !each.empty_layer; }));
    if (with_layer < layers) {
        const auto place = history.begin() + static_cast<std::ptrdiff_t>(base_entries);
        history.insert(place, layers - with_layer,
                       graph::History{.comment = "not in the history of the base"});
    }
    for (std::size_t i = 0; i < history.size() && with_layer > layers; ++i) {
        graph::History& entry = history[(base_entries + i) % history.size()];
        with_layer -= entry.empty_layer ? 0 : 1;
        entry.empty_layer = true;
    }
}

Result<graph::ImageSettings> finish_history(const BuiltImage& image,
                                            const std::vector<ImageLayer>& layers,
                                            const DocumentOptions& options) {
    graph::ImageSettings settings = image.settings;
    TRY(const std::size_t base_entries, base_history(settings));
    const auto first_new = settings.history.begin() + static_cast<std::ptrdiff_t>(base_entries);
    if (options.epoch_s) {
        for (auto entry = first_new; entry != settings.history.end(); ++entry) {
            entry->created = rfc3339(*options.epoch_s);
        }
    }
    if (options.squashed) {
        // The last instruction that made a layer stands for all of them.
        bool placed = false;
        for (auto entry = settings.history.end(); entry != first_new;) {
            --entry;
            entry->empty_layer = entry->empty_layer || placed;
            placed = placed || !entry->empty_layer;
        }
    }
    fit_history(settings.history, base_entries, layers.size());
    return settings;
}

}  // namespace

Result<codec::Descriptor> layer_descriptor(const codec::Descriptor& layer, bool oci) {
    codec::Descriptor descriptor;
    if (codec::is_foreign_layer(layer.media_type)) {
        descriptor = layer;  // with its URLs
    }
    descriptor.digest = layer.digest;
    descriptor.size_bytes = layer.size_bytes;
    descriptor.media_type = codec::oci_equivalent(layer.media_type);
    if (!oci) {
        TRY(descriptor.media_type, docker_type(layer.media_type));
        descriptor.annotations.clear();
        return descriptor;
    }
    for (const auto& [name, value] : layer.annotations) {
        const bool internal =
            std::ranges::any_of(kInternalAnnotations,
                                [&name](std::string_view each) { return name.starts_with(each); });
        if (!internal) {
            descriptor.annotations[name] = value;
        }
    }
    return descriptor;
}

std::string rfc3339(std::int64_t time_s) {
    const std::chrono::sys_seconds time{std::chrono::seconds{time_s}};
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", time);
}

Result<ImageDocuments> make_documents(const BuiltImage& image,
                                      const std::vector<ImageLayer>& layers,
                                      const DocumentOptions& options) {
    using codec::media_type::kDockerConfig;
    using codec::media_type::kDockerManifest;
    using codec::media_type::kOciConfig;
    using codec::media_type::kOciManifest;
    TRY(const graph::ImageSettings settings, finish_history(image, layers, options));
    std::vector<codec::Digest> diff_ids;
    codec::Manifest manifest;
    for (const ImageLayer& layer : layers) {
        diff_ids.push_back(layer.diff_id);
        TRY(codec::Descriptor descriptor,
            layer_descriptor(layer.descriptor, options.oci_media_types));
        manifest.layers.push_back(std::move(descriptor));
    }
    ImageDocuments documents;
    const std::string config = graph::serialize(
        settings, diff_ids, options.epoch_s ? rfc3339(*options.epoch_s) : std::string{},
        registry::base64_encode(image.inline_cache));
    const ByteView config_bytes = as_bytes(config);
    documents.config.bytes.assign(config_bytes.begin(), config_bytes.end());
    documents.config.descriptor =
        image::describe(options.oci_media_types ? kOciConfig : kDockerConfig, config_bytes);

    manifest.media_type = options.oci_media_types ? kOciManifest : kDockerManifest;
    manifest.config = documents.config.descriptor;
    manifest.annotations = options.annotations.manifest(image.platform);
    const std::string text = manifest.serialize();
    documents.manifest.bytes.assign(as_bytes(text).begin(), as_bytes(text).end());
    documents.manifest.descriptor = image::describe(manifest.media_type, as_bytes(text));
    documents.manifest.descriptor.platform = image.platform;
    documents.manifest.descriptor.annotations =
        options.annotations.manifest_descriptor(image.platform);
    documents.layers = std::move(manifest.layers);
    return documents;
}

NamedDocument make_index(const std::vector<ImageDocuments>& images,
                         const DocumentOptions& options) {
    codec::Index index;
    index.media_type =
        options.oci_media_types ? codec::media_type::kOciIndex : codec::media_type::kDockerList;
    for (const ImageDocuments& image : images) {
        index.manifests.push_back(image.manifest.descriptor);
    }
    index.annotations = options.annotations.index();
    const std::string text = index.serialize();
    NamedDocument document;
    document.bytes.assign(as_bytes(text).begin(), as_bytes(text).end());
    document.descriptor = image::describe(index.media_type, as_bytes(text));
    document.descriptor.annotations = options.annotations.index_descriptor();
    return document;
}

}  // namespace lazybuild::exporter
