// SPDX-License-Identifier: Apache-2.0
#include "snapshotter/service/image_layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "codec/layer_format.h"
#include "codec/media_type.h"
#include "codec/oci_config.h"
#include "codec/oci_manifest.h"
#include "codec/oci_platform.h"
#include "codec/sha256.h"

namespace lazybuild::service {
namespace {

using io::or_return;

// Long enough for the Prepares of one pull, which come one after the other.
constexpr std::chrono::seconds kImageKept{120};
constexpr std::size_t kImagesMax = 64;
constexpr std::uint64_t kConfigBytesMax = 4 << 20;

void judge_layer(const codec::Descriptor& descriptor, ImageLayer& layer) {
    // Foreign layers are their makers' own, and registries need not have them.
    layer.whole = codec::layer_compression(descriptor.media_type).has_value() &&
                  !codec::is_foreign_layer(descriptor.media_type);
    const codec::LayerFormat* const format = codec::layer_format_for(descriptor.media_type);
    if (format == nullptr) {
        layer.not_lazy = fmt::format("its media type is {:?}", descriptor.media_type);
        return;
    }
    const auto annotation = descriptor.annotations.find(std::string{format->toc_annotation});
    if (annotation == descriptor.annotations.end()) {
        layer.not_lazy = fmt::format("it has no table of contents (not {})", format->title);
        return;
    }
    auto toc = codec::Digest::parse(annotation->second);
    if (!toc) {
        layer.not_lazy = fmt::format("{}: {}", format->toc_annotation, toc.error().message);
        return;
    }
    layer.toc = *toc;
}

}  // namespace

Result<std::size_t> Image::find(const codec::Digest& blob, const codec::Digest& chain_id) const {
    bool blob_seen = false;
    for (std::size_t index = 0; index < layers.size(); ++index) {
        if (layers[index].blob != blob) {
            continue;
        }
        if (layers[index].chain_id == chain_id) {
            return index;
        }
        blob_seen = true;
    }
    if (blob_seen) {
        return fail(
            invalid(fmt::format("by the image's config, layer {} does not make the chain {}",
                                blob.text(), chain_id.text())));
    }
    return fail(Error{std::errc::no_such_file_or_directory,
                      fmt::format("the image has no layer {}", blob.text())});
}

Result<Image> read_image(const registry::Document& manifest, ByteView config) {
    TRY(const codec::Manifest parsed, codec::Manifest::parse(manifest.bytes, manifest.media_type));
    TRY(const codec::ImageConfig image_config, codec::ImageConfig::parse(config));
    if (image_config.diff_ids.size() != parsed.layers.size()) {
        return fail(corrupt(fmt::format("manifest {} has {} layers, its config {} diffIDs",
                                        manifest.digest.text(), parsed.layers.size(),
                                        image_config.diff_ids.size())));
    }
    const std::vector<codec::Digest> chain = codec::chain_ids(image_config.diff_ids);
    Image image;
    for (std::size_t index = 0; index < parsed.layers.size(); ++index) {
        const codec::Descriptor& descriptor = parsed.layers[index];
        ImageLayer layer;
        layer.blob = descriptor.digest;
        layer.size_bytes = descriptor.size_bytes;
        layer.diff_id = image_config.diff_ids[index];
        layer.chain_id = chain[index];
        judge_layer(descriptor, layer);
        image.layers.push_back(std::move(layer));
    }
    return image;
}

ImageLayers::ImageLayers(ImageDocuments& documents, io::Reactor& reactor,
                         std::chrono::milliseconds fetch_timeout)
    : documents_(documents), reactor_(reactor), fetch_timeout_(fetch_timeout) {}

io::Task<Result<std::shared_ptr<const Image>>> ImageLayers::get(registry::Repository repository,
                                                                std::string tag_or_digest,
                                                                io::Wait wait) {
    drop_old();
    const std::string key = repository.text() + "@" + tag_or_digest;
    auto found = entries_.find(key);
    if (found == entries_.end()) {
        Entry entry{.image = SharedImage::start(reactor_, fetch(repository, tag_or_digest)),
                    .expires = io::deadline_in(kImageKept)};
        found = entries_.emplace(key, std::move(entry)).first;
    }
    const SharedImage shared = found->second.image;
    auto image = co_await shared.result(wait);
    // A failure that is over is asked again by the next who comes.
    if (!image && shared.finished()) {
        entries_.erase(key);
    }
    co_return image;
}

io::Task<Result<std::shared_ptr<const Image>>> ImageLayers::fetch(registry::Repository repository,
                                                                  std::string tag_or_digest) {
    const io::Wait wait{.deadline = io::deadline_in(fetch_timeout_), .cancel = {}};
    registry::Document document =
        co_await or_return(co_await documents_.manifest(repository, tag_or_digest, wait));
    const codec::DocumentType type =
        co_await or_return(codec::detect_document(document.bytes, document.media_type));
    if (type.kind == codec::DocumentKind::index) {
        const codec::Index index =
            co_await or_return(codec::Index::parse(document.bytes, document.media_type));
        const codec::Descriptor* chosen = codec::select_manifest(index, codec::host_platform());
        if (chosen == nullptr) {
            co_return fail(Error{std::errc::not_supported,
                                 fmt::format("{}@{} has no image for {}", repository.text(),
                                             tag_or_digest, codec::host_platform().text())});
        }
        const std::string digest = chosen->digest.text();
        document = co_await or_return(co_await documents_.manifest(repository, digest, wait));
    }
    const codec::Manifest manifest =
        co_await or_return(codec::Manifest::parse(document.bytes, document.media_type));
    if (manifest.config.size_bytes > kConfigBytesMax) {
        co_return fail(over_limit(fmt::format("config {} is larger than {} bytes",
                                              manifest.config.digest.text(), kConfigBytesMax)));
    }
    const Bytes config = co_await or_return(co_await documents_.blob(
        repository, manifest.config.digest, manifest.config.size_bytes, wait));
    if (codec::sha256(config) != manifest.config.digest) {
        co_return fail(corrupt(
            fmt::format("config {} does not have its digest", manifest.config.digest.text())));
    }
    Image image = co_await or_return(read_image(document, config));
    co_return std::make_shared<const Image>(std::move(image));
}

void ImageLayers::drop_old() {
    const io::Deadline now = io::Clock::now();
    std::erase_if(entries_, [now](const auto& entry) { return entry.second.expires < now; });
    while (entries_.size() >= kImagesMax) {
        entries_.erase(std::ranges::min_element(
            entries_, {}, [](const auto& entry) { return entry.second.expires; }));
    }
}

}  // namespace lazybuild::service
