// SPDX-License-Identifier: Apache-2.0
#include "builder/export/archive_output.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "builder/export/store_source.h"
#include "builder/image/layout_image.h"
#include "codec/media_type.h"
#include "codec/oci_manifest.h"
#include "codec/tar.h"
#include "snapshotter/registry/reference.h"

namespace lazybuild::exporter {
namespace {

constexpr std::string_view kLayoutFile = R"({"imageLayoutVersion":"1.0.0"})";
/// By which containerd names what it imports.
constexpr const char* kContainerdName = "io.containerd.image.name";
constexpr std::uint32_t kFileMode = 0644;
constexpr std::uint32_t kDirectoryMode = 0755;

// "app:1" of "docker.io/library/app:1": what docker calls it.
std::string familiar_name(const std::string& name) {
    constexpr std::string_view kHub = "docker.io/";
    constexpr std::string_view kLibrary = "docker.io/library/";
    if (name.starts_with(kLibrary)) {
        return name.substr(kLibrary.size());
    }
    return name.starts_with(kHub) ? name.substr(kHub.size()) : name;
}

codec::Descriptor named(codec::Descriptor image, const std::string& name) {
    image.platform.reset();
    if (!name.empty()) {
        image.annotations[kContainerdName] = name;
        const auto reference = registry::Reference::parse(name);
        image.annotations[std::string{image::kLayoutRefName}] =
            reference && !reference->tag.empty() ? reference->tag : name;
    }
    return image;
}

std::string index_text(const FinishedImage& image) {
    codec::Index index;
    index.media_type = codec::media_type::kOciIndex;
    for (const std::string& name : image.names) {
        index.manifests.push_back(named(image.root().descriptor, name));
    }
    if (image.names.empty()) {
        index.manifests.push_back(named(image.root().descriptor, ""));
    }
    return index.serialize();
}

std::string blob_name(const codec::Digest& blob) {
    return "blobs/sha256/" + blob.hex();
}

std::string docker_manifest(const FinishedImage& image) {
    const ImageDocuments& only = image.platforms.front();
    codec::Json entry = codec::Json::object();
    entry["Config"] = blob_name(only.config.descriptor.digest);
    entry["RepoTags"] = codec::Json::array();
    for (const std::string& name : image.names) {
        entry["RepoTags"].push_back(familiar_name(name));
    }
    entry["Layers"] = codec::Json::array();
    for (const codec::Descriptor& layer : only.layers) {
        entry["Layers"].push_back(blob_name(layer.digest));
    }
    return codec::json_text(codec::Json::array({std::move(entry)}));
}

class ArchiveWriter {
  public:
    ArchiveWriter(layers::LayerStore& store, image::Session& session, ByteSink& out)
        : session_(session), out_(out), source_(store_source(store, session, store.root())) {}

    Result<void> directory(const std::string& path);
    Result<void> file(const std::string& path, ByteView bytes);
    Result<void> document(const NamedDocument& document);
    Result<void> layer(const codec::Descriptor& layer);
    Result<void> finish() { return out_.write(codec::tar_end()); }

  private:
    Result<void> header(const std::string& path, codec::FileType type, std::uint64_t size_bytes);

    image::Session& session_;
    ByteSink& out_;
    std::unique_ptr<image::ImageSource> source_;
    std::set<codec::Digest> written_;
};

Result<void> ArchiveWriter::header(const std::string& path, codec::FileType type,
                                   std::uint64_t size_bytes) {
    codec::TarEntry entry;
    entry.entry.type = type;
    entry.entry.path = path;
    entry.entry.mode = type == codec::FileType::directory ? kDirectoryMode : kFileMode;
    entry.entry.size_bytes = size_bytes;
    return out_.write(codec::tar_header(entry));
}

Result<void> ArchiveWriter::directory(const std::string& path) {
    return header(path, codec::FileType::directory, 0);
}

Result<void> ArchiveWriter::file(const std::string& path, ByteView bytes) {
    CHECK_OK(header(path, codec::FileType::regular, bytes.size()));
    CHECK_OK(out_.write(bytes));
    return out_.write(codec::tar_padding(bytes.size()));
}

Result<void> ArchiveWriter::document(const NamedDocument& document) {
    if (!written_.insert(document.descriptor.digest).second) {
        return {};
    }
    return file(blob_name(document.descriptor.digest), document.bytes);
}

Result<void> ArchiveWriter::layer(const codec::Descriptor& layer) {
    if (!written_.insert(layer.digest).second) {
        return {};
    }
    CHECK_OK(header(blob_name(layer.digest), codec::FileType::regular, layer.size_bytes));
    CHECK_OK(
        session_.wait_for(image::stream_blob(session_, *source_, layer, out_, session_.wait())));
    return out_.write(codec::tar_padding(layer.size_bytes));
}

}  // namespace

Result<void> write_archive(const FinishedImage& image, bool docker, layers::LayerStore& store,
                           image::Session& session, ByteSink& out) {
    ArchiveWriter writer{store, session, out};
    CHECK_OK(writer.directory("blobs"));
    CHECK_OK(writer.directory("blobs/sha256"));
    for (const ImageDocuments& platform : image.platforms) {
        for (const codec::Descriptor& layer : platform.layers) {
            CHECK_OK(writer.layer(layer));
        }
        CHECK_OK(writer.document(platform.config));
        CHECK_OK(writer.document(platform.manifest));
    }
    if (image.index) {
        CHECK_OK(writer.document(*image.index));
    }
    CHECK_OK(writer.file("index.json", as_bytes(index_text(image))));
    if (docker) {
        CHECK_OK(writer.file("manifest.json", as_bytes(docker_manifest(image))));
    }
    CHECK_OK(writer.file("oci-layout", as_bytes(kLayoutFile)));
    return writer.finish();
}

Result<void> write_layout(const FinishedImage& image, const std::string& directory,
                          layers::LayerStore& store, image::Session& session) {
    TRY(const image::OciLayout layout, image::OciLayout::create(directory));
    const auto source = store_source(store, session, store.root());
    const auto target = image::layout_target(layout, "", directory, session);
    for (const ImageDocuments& platform : image.platforms) {
        for (const codec::Descriptor& layer : platform.layers) {
            TRY([[maybe_unused]] const auto outcome,
                session.wait_for(target->copy_blob(*source, layer, session.wait())));
        }
        CHECK_OK(layout.put_bytes(platform.config.descriptor, platform.config.bytes));
        CHECK_OK(layout.put_bytes(platform.manifest.descriptor, platform.manifest.bytes));
    }
    if (image.index) {
        CHECK_OK(layout.put_bytes(image.index->descriptor, image.index->bytes));
    }
    CHECK_OK(session.check_interrupt());
    const std::vector<std::string> unnamed = {""};
    for (const std::string& name : image.names.empty() ? unnamed : image.names) {
        codec::Descriptor descriptor = named(image.root().descriptor, name);
        const auto tag = descriptor.annotations.find(std::string{image::kLayoutRefName});
        CHECK_OK(
            layout.set_image(tag == descriptor.annotations.end() ? "" : tag->second, descriptor));
    }
    return {};
}

}  // namespace lazybuild::exporter
