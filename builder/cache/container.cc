// SPDX-License-Identifier: Apache-2.0
#include "builder/cache/container.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "builder/cache/cache_config.h"
#include "codec/json.h"
#include "codec/media_type.h"

namespace lazybuild::cache {
namespace {

using codec::Json;
using codec::JsonPlace;

/// Of an image's platforms: those of an index, and of an index in it.
constexpr std::size_t kImagesMax = 64;

Result<std::vector<codec::Descriptor>> read_blobs(const JsonPlace& list, CacheFound& found) {
    TRY(const std::vector<JsonPlace> places, list.array());
    if (places.size() > kCacheBlobsMax) {
        return fail(over_limit(
            fmt::format("{}: {} blobs, more than {}", list.path(), places.size(), kCacheBlobsMax)));
    }
    std::vector<codec::Descriptor> blobs;
    for (const JsonPlace& place : places) {
        TRY(codec::Descriptor blob, codec::Descriptor::parse(place));
        if (blob.media_type == kConfigType) {
            found.config = std::move(blob);
        } else {
            blobs.push_back(std::move(blob));
        }
    }
    return blobs;
}

std::string_view container_type(const ContainerOptions& options) {
    if (options.image_manifest) {
        return codec::media_type::kOciManifest;
    }
    return options.oci_media_types ? codec::media_type::kOciIndex : codec::media_type::kDockerList;
}

std::string container_text(const codec::Descriptor& config,
                           const std::vector<codec::Descriptor>& blobs,
                           const ContainerOptions& options) {
    Json json = Json::object();
    json["schemaVersion"] = 2;
    json["mediaType"] = container_type(options);
    Json list = Json::array();
    for (codec::Descriptor blob : blobs) {
        blob.original.clear();  // which may have the same members in another order
        if (!options.oci_media_types) {
            blob.media_type = codec::docker_equivalent(blob.media_type);
        }
        list.push_back(blob.json());
    }
    if (options.image_manifest) {
        json["config"] = config.json();
        json["layers"] = std::move(list);
    } else {
        list.push_back(config.json());
        json["manifests"] = std::move(list);
    }
    return codec::json_text(json);
}

class ImageCacheSource final : public CacheSource {
  public:
    ImageCacheSource(std::shared_ptr<image::ImageSource> source,
                     std::optional<codec::Descriptor> root, image::Session& session)
        : source_(std::move(source)), root_(std::move(root)), session_(session) {}

    std::shared_ptr<image::ImageSource> blobs() override { return source_; }
    Result<std::optional<CacheFound>> find() override;

  private:
    Result<void> add_images(const registry::Document& document, CacheFound& found);

    const std::shared_ptr<image::ImageSource> source_;
    const std::optional<codec::Descriptor> root_;
    image::Session& session_;
};

Result<std::optional<CacheFound>> ImageCacheSource::find() {
    auto document = session_.wait_for(root_ ? source_->document(*root_, session_.wait())
                                            : source_->root(session_.wait()));
    if (!document) {
        // A document that is named, and missing, is no empty place.
        if (!root_ && document.error().code == std::errc::no_such_file_or_directory) {
            return std::nullopt;
        }
        return fail(std::move(document).error());
    }
    TRY(std::optional<CacheFound> found, read_container(*document));
    if (!found) {
        found.emplace();
        found->root = document->digest;
        CHECK_OK(add_images(*document, *found));
    }
    return found;
}

// An index in an index is as deep as it goes.
Result<void> ImageCacheSource::add_images(const registry::Document& document, CacheFound& found) {
    std::vector<registry::Document> todo{document};
    std::size_t looked_at = 0;
    while (!todo.empty()) {
        const registry::Document next = std::move(todo.back());
        todo.pop_back();
        TRY(const codec::DocumentType type, codec::detect_document(next.bytes, next.media_type));
        if (type.kind == codec::DocumentKind::manifest) {
            image::ImageDocument image;
            image.descriptor.media_type = type.media_type;
            image.descriptor.digest = next.digest;
            image.descriptor.size_bytes = next.bytes.size();
            image.bytes = next.bytes;
            TRY(image.manifest, codec::Manifest::parse(next.bytes, next.media_type));
            found.images.push_back(std::move(image));
            continue;
        }
        TRY(const codec::Index index, codec::Index::parse(next.bytes, next.media_type));
        for (const codec::Descriptor& each : index.manifests) {
            if (codec::is_attestation(each)) {
                continue;  // says something of an image, and is none
            }
            if (++looked_at > kImagesMax) {
                return fail(over_limit(fmt::format("{}: an image of more than {} platforms",
                                                   source_->name(), kImagesMax)));
            }
            TRY(registry::Document child,
                session_.wait_for(source_->document(each, session_.wait())));
            todo.push_back(std::move(child));
        }
    }
    return {};
}

}  // namespace

Result<exporter::NamedDocument> make_container(const codec::Descriptor& config,
                                               const std::vector<codec::Descriptor>& blobs,
                                               const ContainerOptions& options) {
    std::string text = container_text(config, blobs, options);
    if (text.size() > registry::kManifestBytesMax) {
        // What they say is in the config, too; thrice as many blobs have room without it.
        std::vector<codec::Descriptor> bare = blobs;
        for (codec::Descriptor& blob : bare) {
            blob.annotations.clear();
        }
        text = container_text(config, bare, options);
    }
    if (text.size() > registry::kManifestBytesMax) {
        return fail(over_limit(fmt::format(
            "{} blobs: their manifest has {} bytes, and registries take {}; mode=min has fewer",
            blobs.size(), text.size(), registry::kManifestBytesMax)));
    }
    exporter::NamedDocument document;
    document.bytes.assign(as_bytes(text).begin(), as_bytes(text).end());
    document.descriptor = image::describe(container_type(options), as_bytes(text));
    return document;
}

Result<std::optional<CacheFound>> read_container(const registry::Document& document) {
    TRY(const auto parsed, codec::JsonDocument::parse(document.bytes, "manifest"));
    const JsonPlace root = parsed.root();
    CacheFound found;
    found.root = document.digest;
    if (const auto config = root.find("config")) {
        TRY(const std::string type, config->text_or_empty("mediaType"));
        if (type != kConfigType) {
            return std::nullopt;
        }
        if (root.find("manifests")) {
            return fail(root.error("has the members of a manifest and of an index; refused"));
        }
        TRY(const JsonPlace layers, root.at("layers"));
        TRY(found.blobs, read_blobs(layers, found));
        TRY(found.config, codec::Descriptor::parse(*config));
        return found;
    }
    const auto manifests = root.find("manifests");
    if (!manifests) {
        return std::nullopt;
    }
    TRY(found.blobs, read_blobs(*manifests, found));
    return found.config ? std::optional{std::move(found)} : std::nullopt;
}

std::unique_ptr<CacheSource> image_cache_source(std::shared_ptr<image::ImageSource> source,
                                                std::optional<codec::Descriptor> root,
                                                image::Session& session) {
    return std::make_unique<ImageCacheSource>(std::move(source), std::move(root), session);
}

}  // namespace lazybuild::cache
